"""A deployment in Kubernetes, with what it needs around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .asked import KEYS, PAUSE, PORT, REGISTRY, USER, check_image, image_words, in_yaml

if TYPE_CHECKING:
    from .asked import Asked

__all__ = ["write_kubernetes"]

MANIFEST = """\
# foresql: the deployment {name}.
#   kubectl create secret generic {name}-keys --from-file=keys.toml
#   kubectl apply --filename {name}.yaml
# The claim {name}-registry is a volume with the registry's folder, readable for the group {user}.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: &labels
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: foresql
spec:
  # No replicas here: the autoscaler below says how many.
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  template:
    metadata:
      labels: *labels
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {grace}
      securityContext:
        runAsNonRoot: true
        runAsUser: {user}
        runAsGroup: {user}
        fsGroup: {user}
        seccompProfile:
          type: RuntimeDefault
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: {name}
      containers:
        - name: server
          image: {image}
          args:
{args}
          env:
            - name: OMP_NUM_THREADS
              value: "1"
          ports:
{ports}
          startupProbe:
            httpGet: &ready
              path: /v2/health/ready
              port: http
            periodSeconds: 2
            failureThreshold: 90
          readinessProbe:
            httpGet: *ready
            periodSeconds: 5
            timeoutSeconds: 3
          livenessProbe:
            httpGet:
              path: /v2/health/live
              port: http
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          lifecycle:
            # Requests still come until every balancer knows; after that SIGTERM is sent.
            # Needs Kubernetes 1.30 or newer.
            preStop:
              sleep:
                seconds: {pause}
          resources:
            requests:
              cpu: {cpu}
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
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: registry
          persistentVolumeClaim:
            claimName: {name}-registry
            readOnly: true
        - name: keys
          secret:
            secretName: {name}-keys
            defaultMode: 0440
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels: *labels_of_service
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
{service_ports}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {name}
  minReplicas: {least}
  maxReplicas: {most}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 300
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
"""


def write_kubernetes(asked: Asked, image: str, replicas: tuple[int, int]) -> str:
    """Write a Deployment, its Service, HorizontalPodAutoscaler and PodDisruptionBudget."""
    ports = {"http": PORT} | ({} if asked.grpc_port is None else {"grpc": asked.grpc_port})
    # Anchors of YAML end with their document.
    own = f"\n    app.kubernetes.io/name: {asked.name}\n    app.kubernetes.io/part-of: foresql"
    return MANIFEST.replace(" *labels_of_service", own).format(
        name=asked.name,
        image=check_image(image),
        args=in_yaml(image_words(asked), 12),
        ports="\n".join(
            f"            - name: {name}\n              containerPort: {port}"
            for name, port in ports.items()
        ),
        service_ports="\n".join(
            f"    - name: {name}\n      port: {port}\n      targetPort: {name}\n"
            f"      appProtocol: {'kubernetes.io/h2c' if name == 'grpc' else name}"
            for name, port in ports.items()
        ),
        user=USER,
        registry=REGISTRY,
        keys=KEYS.rpartition("/")[0],
        pause=PAUSE,
        grace=asked.grace,
        cpu=asked.processes,
        memory=asked.memory,
        least=replicas[0],
        most=replicas[1],
    )
