"""Flow control: gates, pumps and bounded readers. Knows nothing of chunks."""

from rxwizard.demand.blocking import BlockingIterator as BlockingIterator
from rxwizard.demand.gate import Gate as Gate
from rxwizard.demand.gate import pushing as pushing
from rxwizard.demand.overflow import Overflow as Overflow
from rxwizard.demand.pump import push_batches as push_batches
from rxwizard.demand.scheduler import LoopScheduler as LoopScheduler
from rxwizard.demand.share import sharing as sharing
from rxwizard.demand.stall import OnStall as OnStall
from rxwizard.demand.statistics import Statistics as Statistics
from rxwizard.demand.subscriber import BoundedSubscriber as BoundedSubscriber
from rxwizard.demand.subscription import Subscriber as Subscriber
from rxwizard.demand.subscription import Subscription as Subscription
from rxwizard.demand.subscription import subscribe_with as subscribe_with
