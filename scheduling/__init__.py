"""Schedules: as files for other schedulers, and the process that runs one."""
