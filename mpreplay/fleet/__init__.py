"""Many gateways: a history dealt out by gateway, replayed on an executor, and told as one."""
