"""Many gateways: a history dealt out by gateway, replayed on an executor, and reported as one."""
