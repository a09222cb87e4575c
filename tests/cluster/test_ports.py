"""Ports of a cluster: kept from one start to the next, and never another program's."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deploy.cluster.errors import ClusterError
from deploy.cluster.ports import choose_ports, read_ports, target


def test_a_cluster_keeps_its_ports_while_they_are_free(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    ports = choose_ports(file, None)
    assert len(set(ports.values())) == len(ports)
    assert choose_ports(file, None) == ports == read_ports(file)
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports["sync-1"]))
        other.listen()
        assert ports["sync-1"] not in choose_ports(file, None).values()


def test_a_port_that_was_asked_for_and_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ClusterError, match=rf"listens on .*{port} \(postgres\).*--base-port"):
            choose_ports(tmp_path / "ports.json", port)


def test_a_folder_without_a_cluster_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="make cluster"):
        read_ports(tmp_path / "ports.json")


def test_a_cluster_of_another_version_is_told_from_one_of_this(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    file.write_text('{"postgres": 1}')
    with pytest.raises(ClusterError, match=r"another version.*make cluster-down"):
        read_ports(file)
    assert choose_ports(file, None) == read_ports(file)


def test_several_servers_are_one_target() -> None:
    assert target({"a": 1, "b": 2}, ("a", "b")) == "ipv4:127.0.0.1:1,127.0.0.1:2"
