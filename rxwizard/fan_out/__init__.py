"""Where Rx meets sinks: one stream, many sinks, each with its own pace, bound and policy."""

from rxwizard.fan_out.branch import Branch as Branch
from rxwizard.fan_out.branch import branch as branch
from rxwizard.fan_out.branch import latest as latest
from rxwizard.fan_out.branch import live as live
from rxwizard.fan_out.branch import lossless as lossless
from rxwizard.fan_out.report import FanOutReport as FanOutReport
from rxwizard.fan_out.report import SinkReport as SinkReport
from rxwizard.fan_out.running import fan_out as fan_out
