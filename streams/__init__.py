"""Table streams and stream tasks in DuckDB: changed rows are scored, each change exactly once."""

from .consuming import Changes, consume, stream_has_data
from .opening import open_to_write
from .registering import create_stream, drop_stream, list_streams, show_stream
from .running import Run, run_task
from .stream import Stream
from .task import Task
from .tasks import (
    create_task,
    drop_task,
    list_tasks,
    resume_task,
    show_task,
    suspend_task,
    task_history,
)
from .watching import watch

__all__ = [
    "Changes",
    "Run",
    "Stream",
    "Task",
    "consume",
    "create_stream",
    "create_task",
    "drop_stream",
    "drop_task",
    "list_streams",
    "list_tasks",
    "open_to_write",
    "resume_task",
    "run_task",
    "show_stream",
    "show_task",
    "stream_has_data",
    "suspend_task",
    "task_history",
    "watch",
]
