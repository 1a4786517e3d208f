"""A server, written for what runs it: an image, systemd, Kubernetes, KServe."""

from .asked import Asked
from .docker import write_docker
from .kserve import write_kserve
from .kubernetes import write_kubernetes
from .systemd import write_systemd

__all__ = ["Asked", "write_docker", "write_kserve", "write_kubernetes", "write_systemd"]
