import asyncio


async def price_of(car, days):
    await asyncio.sleep(0)
    return {"economy": 40, "luxury": 120}[car] * days


def close(event, state, text):
    intent = event["sessionState"]["intent"]
    intent["state"] = state
    return {
        "sessionState": {
            "sessionAttributes": event["sessionState"].get("sessionAttributes", {}),
            "dialogAction": {"type": "Close"},
            "intent": intent,
        },
        "messages": [{"contentType": "PlainText", "content": text}],
    }


async def lambda_handler(event, context):
    slots = event["sessionState"]["intent"]["slots"]
    car = slots["CarType"]["value"]["interpretedValue"].lower()
    days = int(slots["Days"]["value"]["interpretedValue"])
    try:
        price = await asyncio.wait_for(price_of(car, days), timeout=context.get_remaining_time_in_millis() / 1000)
    except KeyError:
        return close(event, "Failed", f"There is no {car} car.")
    return close(event, "Fulfilled", f"{days} days with a {car} car cost {price} €.")
