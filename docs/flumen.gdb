# Commands for gdb: gdb -x docs/flumen.gdb --args target/debug/flumen read FILE
# See docs/debugging.md. Needs a build with all debug information.

set print pretty on
set breakpoint pending on

define flumen-life
  # The steps of a flow's life with one worker, in their order.
  tbreak flumen_engine::front::Front::frame
  tbreak flumen_table::key::PacketKey::of
  tbreak flumen_table::table::FlowTable::lock_row
  tbreak flumen_table::lookup::RowGuard::unusual
  tbreak flumen_table::lookup::RowGuard::create
  tbreak flumen_table::tcp::TcpSession::segment
  tbreak flumen_table::table::FlowTable::sweep
  tbreak flumen_table::counters::EndCounters::add
  tbreak flumen_engine::recorder::Outflow::take
end
document flumen-life
Stop once at each step of a flow's life.
end

define flumen-flow
  # $arg0: a NonNull<Flow>, such as "self.flow" in a FlowGuard, or "flow.flow.ptr" in EndCounters::add.
  # Its line lies in the same block of 16 KiB, 64 bytes a flow from the block's beginning on; flows begin at 12,800.
  set $address = $arg0.pointer as usize
  set $block = $address & 0xffffffffffffc000
  set $line = *(($block + ($address - $block - 12800) / 32 * 64) as *mut flumen_table::flow::FlowLine)
  print $line.key.value
  print $line.body.value
  print *$arg0.pointer
end
document flumen-flow
Print a flow: the head of its key, what is known of it, its count and how it began.
end

define flumen-bucket
  # $arg0: a &Bucket, such as "self.locked.bucket" in a RowGuard.
  print *$arg0
end
document flumen-bucket
Print a row of the table: lock, deadline, tags and slots, overflow chain.
end

define flumen-pool
  # $arg0: a &FlowTable, such as "self.table".
  print $arg0.pool
  print $arg0.store
  print $arg0.emergency
end
document flumen-pool
Print the spare pool, the store of flows, and emergency mode.
end
