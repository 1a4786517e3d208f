"""Files that run a server elsewhere: linters take them, and they call what was meant."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from foresql.cli import main
from foresql.cli.serve_processes import tell_systemd
from foresql.cli.serving import serve
from foresql.serving.server import SHUTDOWN_SECONDS
from foresql.serving.traffic.traffic import _LOG_SECONDS, _SHADOW_SECONDS

LONGEST_END = SHUTDOWN_SECONDS + _SHADOW_SECONDS + _LOG_SECONDS
TOOLS = Path(sys.executable).parent
OPTIONS = ["--", "--models", "delay,late@challenger", "--processes", "3", "--max-rows", "50"]
GRPC = [*OPTIONS, "--grpc-port", "8001"]
IMAGE = ["--image", "registry.example.org/team/foresql:1.2@sha256:" + "a" * 64]


def write(kind, *options, code=0):
    done = CliRunner().invoke(main, ["serve-files", kind, *map(str, options)])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else " ".join(done.stderr.split())


def starts_with_options(words):
    """The command of a file is one that `foresql serve` takes, with what was asked for."""
    assert words[0] == "serve"
    parameters = serve.make_context("serve", [*words[1:]]).params
    assert parameters["models"] == "delay,late@challenger"
    assert (parameters["processes"], parameters["max_rows"]) == (3, 50)
    return parameters


def run(*command):
    if not shutil.which(command[0]):
        pytest.skip(f"{Path(command[0]).name} is not installed: pip install 'foresql[dev]'")
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_an_image(tmp_path):
    path = tmp_path / "Dockerfile"
    write("docker", "--into", path, *GRPC)
    assert run(TOOLS / "hadolint", "--failure-threshold", "style", path) == ""
    text = path.read_text()
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    asked = starts_with_options(json.loads(command))
    assert (asked["host"], asked["port"], asked["grpc_port"]) == ("0.0.0.0", 8000, 8001)  # noqa: S104
    assert asked["keys"] == Path("/etc/foresql/keys.toml")
    assert "\nEXPOSE 8000 8001\n" in text
    assert f'"foresql[grpc,serving,tokens]=={version("foresql")}"' in text
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    # The command of the health check is Python that compiles.
    (check,) = re.findall(r"HEALTHCHECK .*?CMD (\[.*?\])\n", text.replace("\\\n", ""), re.DOTALL)
    compile(json.loads(check)[2], "<check>", "exec")
    assert '"foresql[serving,tokens]==' in write("docker")
    assert '"foresql[otel,serving,tokens]==' in write("docker", "--", "--traces")


def unquoted(line):
    """Read ExecStart as systemd does."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [
        re.sub(r"\\(.)", r"\1", quoted).replace("%%", "%").replace("$$", "$") if quoted else bare
        for quoted, bare in words
    ]


def test_a_unit(tmp_path):
    folder = tmp_path / "our 100% $registry"
    keys = tmp_path / "keys.toml"
    path = tmp_path / "delays.service"
    options = ["--name", "delays", "--registry", folder, "--keys", keys, "--into", path]
    write("systemd", *options, *OPTIONS)
    text = path.read_text()
    settings = dict(
        line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#"
    )
    program, *words = unquoted(settings["ExecStart"])
    assert Path(program).name == "foresql"
    asked = starts_with_options(words)
    assert asked["registry"] == str(folder)
    assert words[-4:-2] == ["--keys", "${CREDENTIALS_DIRECTORY}/keys.toml"]
    assert words[-2:] == ["--audit-log", "${LOGS_DIRECTORY}/audit.jsonl"]
    assert settings["LogsDirectory"] == "delays"
    assert settings["LoadCredential"] == f"keys.toml:{keys}"
    assert settings["DynamicUser"] == "yes"
    assert settings["ProtectSystem"] == "strict"
    assert int(settings["TimeoutStopSec"]) >= LONGEST_END
    alone = unquoted(re.findall(r"ExecStart=(.*)", write("systemd", "--registry", folder))[0])
    assert alone[alone.index("--host") + 1] == "127.0.0.1"
    assert not {"--keys", "--audit-log"} & {*alone}


@pytest.mark.parametrize("has_keys", [True, False])
def test_systemd_takes_a_unit(tmp_path, has_keys):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: it is a part of systemd")
    path = tmp_path / "delays.service"
    keys = ["--keys", tmp_path / "keys.toml"] if has_keys else []
    write("systemd", "--registry", tmp_path, *keys, "--into", path, *OPTIONS)
    run("systemd-analyze", "verify", "--man=no", path)
    run("systemd-analyze", "security", "--offline=yes", "--threshold=20", path)


def test_a_unit_is_told_when_requests_are_answered(tmp_path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        tell_systemd()
        assert systemd.recv(100) == b"READY=1"
    assert "NOTIFY_SOCKET" not in os.environ
    tell_systemd()
    assert "letters" in write("systemd", "--keys", tmp_path / "a b", code=1)


def test_manifests_of_kubernetes(tmp_path):
    path = tmp_path / "foresql.yaml"
    write("kubernetes", *IMAGE, "--replicas", 3, 7, "--name", "delays", "--into", path, *GRPC)
    said = run(TOOLS / "kubernetes-validate", "--strict", "--no-warn", path)
    assert "ERROR" not in said
    found = {each["kind"]: each for each in yaml.safe_load_all(path.read_text())}
    assert set(found) == {
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    }
    deployment, service = found["Deployment"], found["Service"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    asked = starts_with_options(container["args"])
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"http": asked["port"], "grpc": asked["grpc_port"]}
    assert {each["targetPort"] for each in service["spec"]["ports"]} == set(ports)
    labels = pod["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    scaled = found["HorizontalPodAutoscaler"]["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (3, 7)
    assert scaled["scaleTargetRef"]["name"] == deployment["metadata"]["name"] == "delays"
    mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert asked["registry"] in mounted
    assert str(asked["keys"].parent) in mounted
    assert set(mounted.values()) == {each["name"] for each in pod["spec"]["volumes"]}
    check_hardened(pod["spec"], container)
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["spec"]["terminationGracePeriodSeconds"] >= pause + LONGEST_END


def check_hardened(pod, container):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    resources = container["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"]
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] == "/v2/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"


def test_an_inference_service(tmp_path):
    service = yaml.safe_load(write("kserve", *IMAGE, *OPTIONS))
    assert (service["apiVersion"], service["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    predictor = service["spec"]["predictor"]
    (container,) = predictor["containers"]
    starts_with_options(container["args"])
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 10)
    assert container["image"] == IMAGE[1]
    check_hardened(predictor, container)
    # KServe adds some fields to a PodSpec; the rest must be one.
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}
    assert own <= set(predictor)
    spec = {name: value for name, value in predictor.items() if name not in own}
    metadata = service["metadata"]
    path = tmp_path / "pod.yaml"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    path.write_text(yaml.safe_dump(pod))
    said = run(TOOLS / "kubernetes-validate", "--strict", "--no-warn", path)
    assert "ERROR" not in said
    assert "one port" in write("kserve", *IMAGE, *GRPC, code=1)


@pytest.mark.parametrize(
    ("kind", "options", "words", "code"),
    [
        ("docker", ["--", "--port", "9"], "--port is not for the server", 2),
        ("docker", ["--", "--keys", "x"], "--keys is not for the server", 2),
        ("docker", ["--", "--nonsense"], "No such option", 2),
        ("docker", ["--", "--audit-log", "x"], "--audit-log needs a file or folder", 2),
        ("docker", ["--", "--tls", "a", "b"], "--tls needs a file or folder", 2),
        ("systemd", ["--", "--traffic", "x"], "--traffic needs a file or folder", 2),
        ("systemd", ["--", "--prediction-log", "x"], "--prediction-log needs a file or folder", 2),
        ("kubernetes", [*IMAGE, "--", "--endpoints", "x"], "--endpoints needs a file or folder", 2),
        ("kserve", [*IMAGE, "--", "--database", "x"], "--database needs a file or folder", 2),
        ("kubernetes", [*IMAGE, "--", "--grpc-port", "0"], "name the port", 1),
        ("docker", ["--python", "3\nRUN x"], "is no version", 1),
        ("systemd", ["--name", "a b"], "a letter first", 1),
        ("systemd", ["--name", "a\nUser=root"], "a letter first", 1),
        ("kubernetes", ["--image", "x\n  y: z"], "no name of an image", 1),
        ("kubernetes", [*IMAGE, "--replicas", 3, 2], "fewest first", 2),
        ("kserve", ["--image", '"'], "no name of an image", 1),
    ],
)
def test_what_no_file_can_say(kind, options, words, code):
    assert words in write(kind, *options, code=code)


HOSTILE = 'a": \n- {x: y} # ${HOME} %h `id` \\'


@pytest.mark.parametrize("kind", ["kubernetes", "kserve"])
def test_options_stay_words_in_yaml(kind):
    (first, *_) = yaml.safe_load_all(write(kind, *IMAGE, "--", "--models", HOSTILE))
    pod = first["spec"]["template"]["spec"] if kind == "kubernetes" else first["spec"]["predictor"]
    assert HOSTILE in pod["containers"][0]["args"]


def test_options_stay_words_elsewhere():
    (command,) = re.findall(r"^CMD (.*)$", write("docker", "--", "--models", HOSTILE), re.MULTILINE)
    assert HOSTILE in json.loads(command)
    done = write("systemd", "--", "--models", HOSTILE, code=1)
    assert "line" in done


def test_a_file_is_replaced_only_where_it_was_written_by_this_command(tmp_path):
    path = tmp_path / "Dockerfile"
    write("docker", "--into", path)
    write("docker", "--into", path, "--name", "other")
    path.write_text("FROM mine\n")
    assert "foresql did not write it" in write("docker", "--into", path, code=1)
    assert path.read_text() == "FROM mine\n"
    write("docker", "--into", path, "--overwrite")
    assert json.loads(write("docker", "--json"))["text"] == path.read_text()
