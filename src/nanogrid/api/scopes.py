"""Which scopes let a key in, for each kind of route."""

from nanogrid.model import Scope

DEPLOY = frozenset({Scope.DEPLOY})
RUN = frozenset({Scope.RUN})
READ = frozenset({Scope.READ})
#: Who changes functions may look at them; who runs them may see how that went.
LOOK = READ | DEPLOY
FOLLOW = READ | RUN

#: The largest body where nothing large is sent.
SMALL_BODY = 64 * 1024
