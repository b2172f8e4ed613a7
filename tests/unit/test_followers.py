"""Who follows too slowly loses the oldest news, and is told how much."""

from nanogrid.backends.followers import Followers


async def read(news, count):
    return [await anext(news) for _ in range(count)]


async def test_a_follower_who_keeps_up_gets_everything():
    followers = Followers[str](3, lambda lost, _: f"{lost} lost")
    with followers.follow() as news:
        for text in "abc":
            followers.tell(text)

        assert await read(news, 3) == ["a", "b", "c"]


async def test_one_who_does_not_is_told_how_much_is_lost_before_what_follows():
    followers = Followers[str](2, lambda lost, following: f"{lost} lost before {following}")
    with followers.follow() as news:
        for text in "abcde":
            followers.tell(text)
        first = await read(news, 3)
        followers.tell("f")

        assert first == ["3 lost before d", "d", "e"]
        assert await read(news, 1) == ["f"]


async def test_where_nobody_wants_to_know_the_news_is_lost_quietly():
    followers = Followers[str](1)
    with followers.follow() as news:
        followers.tell("a")
        followers.tell("b")

        assert await read(news, 1) == ["b"]
