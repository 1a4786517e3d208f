"""An InferenceService of KServe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ForesqlError
from .asked import KEYS, PORT, REGISTRY, USER, check_image, image_words, in_yaml

if TYPE_CHECKING:
    from .asked import Asked

__all__ = ["write_kserve"]

SERVICE = """\
# foresql: the InferenceService {name}.
#   kubectl create secret generic {name}-keys --from-file=keys.toml
#   kubectl apply --filename {name}.yaml
# The claim {name}-registry is a volume with the registry's folder, readable for the group {user}.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
  annotations:
    # A Deployment with an autoscaler; it needs no Knative.
    serving.kserve.io/deploymentMode: RawDeployment
spec:
  predictor:
    minReplicas: {least}
    maxReplicas: {most}
    scaleMetric: cpu
    scaleTarget: 70
    timeout: 60
    automountServiceAccountToken: false
    terminationGracePeriodSeconds: {grace}
    securityContext:
      runAsNonRoot: true
      runAsUser: {user}
      runAsGroup: {user}
      fsGroup: {user}
      seccompProfile:
        type: RuntimeDefault
    containers:
      - name: kserve-container
        image: {image}
        args:
{args}
        env:
          - name: OMP_NUM_THREADS
            value: "1"
        ports:
          - name: http1
            containerPort: {port}
            protocol: TCP
        startupProbe:
          httpGet:
            path: /v2/health/ready
            port: {port}
          periodSeconds: 2
          failureThreshold: 90
        readinessProbe:
          httpGet:
            path: /v2/health/ready
            port: {port}
          periodSeconds: 5
          timeoutSeconds: 3
        livenessProbe:
          httpGet:
            path: /v2/health/live
            port: {port}
          periodSeconds: 10
          timeoutSeconds: 5
          failureThreshold: 6
        resources:
          requests:
            cpu: "{cpu}"
            memory: {memory}Mi
          limits:
            memory: {memory}Mi
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        volumeMounts:
          - name: registry
            mountPath: {registry}
            readOnly: true
          - name: keys
            mountPath: {keys}
            readOnly: true
    volumes:
      - name: registry
        persistentVolumeClaim:
          claimName: {name}-registry
          readOnly: true
      - name: keys
        secret:
          secretName: {name}-keys
          defaultMode: 0440
"""


def write_kserve(asked: Asked, image: str, replicas: tuple[int, int]) -> str:
    """Write an InferenceService whose predictor is the image.

    Raises
    ------
    ForesqlError
        If gRPC is asked for: KServe sends a service's requests to one port.
    """
    if asked.grpc_port is not None:
        message = "KServe sends requests to one port: leave --grpc-port out, or use kubernetes."
        raise ForesqlError(message)
    return SERVICE.format(
        name=asked.name,
        image=check_image(image),
        args=in_yaml(image_words(asked), 10),
        port=PORT,
        user=USER,
        registry=REGISTRY,
        keys=KEYS.rpartition("/")[0],
        grace=asked.grace,
        cpu=asked.processes,
        memory=asked.memory,
        least=replicas[0],
        most=replicas[1],
    )
