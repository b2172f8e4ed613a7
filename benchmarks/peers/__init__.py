"""Who NanoGrid is measured beside: whatever of its kind the package registries hold. One file for each."""

from peers.functions_framework import FunctionsFramework
from peers.lambda_rie import LambdaRie
from peers.ministack import MiniStack
from peers.nanogrid_peer import NanoGrid, NanoGridQueue
from peers.peer import Peer, Queue
from peers.queues import Celery, Dramatiq, HueyRedis, HueySqlite, Taskiq
from peers.serverless_offline import ServerlessOffline
from peers.workerd import Workerd

PEERS: tuple[Peer, ...] = (
    NanoGrid(),
    FunctionsFramework(),
    LambdaRie(),
    ServerlessOffline(),
    MiniStack(),
    Workerd(),
)
QUEUES: tuple[Queue, ...] = (NanoGridQueue(), HueyRedis(), HueySqlite(), Taskiq(), Dramatiq(), Celery())
