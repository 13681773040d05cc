"""Two processes, as torchrun starts them: each records its part, and the graphs joined say what torch computed in both,
and what went wrong between them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rank_faults
import ranks_program
import torch
import torch.distributed as dist
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.cli.commands import main
from graphviz_ad._internal.diagnosis.findings import Finding
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.rank_messages import message_of

pytestmark = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available(), reason="this build of torch has no gloo"
)
PROGRAMS = [program.__name__ for program in ranks_program.PROGRAMS]
PROGRAM = Path(ranks_program.__file__)
SECONDS = 600  # after which two processes that talk on one machine are stuck


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both ranks wrote."""
    path = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [started(rank, port, path) for rank in range(2)]
    codes = ended(processes)
    said = "".join((path / f"stderr.{rank}").read_text()[-2500:] for rank in range(2))
    if any(codes) and not list(path.glob("connected.*")):
        pytest.skip(f"gloo cannot connect two processes here: {said[-300:]}")
    assert codes == [0, -signal.SIGKILL], said  # the last program kills a rank
    return path


def started(rank: int, port: int, folder: Path) -> subprocess.Popen[bytes]:
    """One rank, with what torchrun would tell it."""
    package = str(Path(gad.__file__).parent.parent)
    job = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    environment = {
        **os.environ,
        **job,
        **{"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
    }
    with (folder / f"stderr.{rank}").open("w") as said:
        return subprocess.Popen([sys.executable, str(PROGRAM), str(folder)], env=environment, stderr=said)


def ended(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    """How they ended; where one failed, the other does not wait for it for long."""
    try:
        first = processes[1].wait(SECONDS)
        return [processes[0].wait(60), first]
    except subprocess.TimeoutExpired:
        for process in processes:
            process.kill()
        return [process.wait() for process in processes]


def results(folder: Path, program: str, rank: int, how: str = "watched") -> dict[str, Tensor]:
    needs(program)
    found: dict[str, dict[str, Tensor]] = torch.load(folder / f"{program}.{rank}.pt")
    return found[how]


@cache
def alone(folder: Path, program: str, rank: int, how: str = "") -> Graph:
    needs(program)
    return gad.Graph.load(folder / f"{program}.{rank}{how}.json")


def needs(program: str) -> None:
    if program in ranks_program.CANNOT:
        pytest.skip(f"this version of torch cannot run {program} here")


@cache
def joined(folder: Path, program: str) -> Graph:
    graph = gad.merge([alone(folder, program, rank) for rank in range(2)])
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    assert all(place[edge.tail] < place[edge.head] for edge in graph.edges)
    assert graph.check().ok is not False
    return graph


def of_rank(graph: Graph, rank: int, name: str) -> Node:
    """The last node of that name which a rank has."""
    return [node for node in graph.node_list if node.module[:1] == (f"rank {rank}",) and node.name == name][-1]


def array(snap: Any) -> list[Any]:
    assert snap is not None
    assert snap.array is not None
    return snap.array.reshape(-1).tolist()  # type: ignore[no-any-return]


def numbers(tensor: Tensor) -> list[float]:
    return tensor.reshape(-1).tolist()


def crossing(graph: Graph) -> list[tuple[Node, Node, str]]:
    return [
        (graph.nodes[edge.tail], graph.nodes[edge.head], edge.match)
        for edge in graph.edges
        if edge.cut == "communication"
    ]


# --- recording changes nothing


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_rank_computes_the_same_bits_recorded_or_not(folder: Path, program: str, rank: int) -> None:
    plain = results(folder, program, rank, "plain")
    for how in ("watched", "blank"):
        watched = results(folder, program, rank, how)
        assert plain.keys() == watched.keys()
        for name, value in plain.items():
            assert value.dtype == watched[name].dtype
            assert value.numpy().tobytes() == watched[name].numpy().tobytes(), (how, name)


@pytest.mark.parametrize("rank", [0, 1])
def test_parameters_that_are_gathered_when_they_are_used_have_their_values(folder: Path, rank: int) -> None:
    computed = results(folder, "sharded", rank)
    graph = alone(folder, "sharded", rank)
    (loss,) = (node for node in graph.node_list if node.op == "mean")
    assert loss.value is not None
    assert loss.value.item() == computed["loss"].item() == pytest.approx(computed["whole"].item(), rel=1e-12)
    assert all(node.value is not None and node.value.known for node in graph.node_list if node.op == "linear")


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_of_it_failed_to_be_recorded(folder: Path, program: str, rank: int) -> None:
    assert not [notice for notice in alone(folder, program, rank).notices if "could not be recorded" in notice]


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_node_hides_a_communication_behind_another(folder: Path, program: str) -> None:
    for rank in range(2):
        graph = alone(folder, program, rank)
        assert all(len(node.messages) <= 1 for node in graph.node_list)
        sent, all_sent = (
            [message for node in nodes for message in node.messages]
            for nodes in (graph.node_list, (graph.detail or graph).node_list)
        )
        assert sent == all_sent


# --- parameters in pieces, and what torch runs by itself


IN_PIECES = {
    "sharded": ["0.weight", "0.bias", "2.weight", "2.bias"],
    "sharded_steps": ["0.weight", "0.bias", "2.weight", "2.bias"],
    "tensor_parallel": ["up.weight", "up.bias", "down.weight", "down.bias"],
}


@pytest.mark.parametrize("how", ["", ".blank"])
@pytest.mark.parametrize("program", IN_PIECES)
def test_parameters_in_pieces_have_the_names_of_the_program_and_are_known_to_be_read(
    folder: Path, program: str, how: str
) -> None:
    for rank in range(2):
        graph = alone(folder, program, rank, how)
        notes = {note.kind: note.subjects for note in graph.notes}
        assert "unread parameters" not in notes
        assert set(notes.get("stood for", ())) == (set(IN_PIECES[program]) if "sharded" in program else set())
        named = {name for node in graph.node_list for name in (node.name, *(port.name for port in node.ports))}
        assert named >= set(IN_PIECES[program])
        assert all(node.name for node in graph.node_list if node.kind == "leaf")


def test_what_comes_back_to_a_gathered_parameter_is_what_the_ranks_average(folder: Path) -> None:
    for name in IN_PIECES["sharded"]:
        local = [np.asarray(array(alone(folder, "sharded", rank).find(name).grad)) for rank in range(2)]
        shards = [numbers(results(folder, "sharded", rank)[f"{name}.grad"]) for rank in range(2)]
        assert sum(local) / 2 == pytest.approx([number for shard in shards for number in shard], rel=1e-12)
        why = alone(folder, "sharded", 0).why(name)
        assert "None at the end" not in why
        assert "Of the parameter itself" in why


@pytest.mark.parametrize("program", ["sharded", "sharded_steps", "scheduled", "tensor_parallel", "twice_with_buffers"])
def test_all_that_torch_sends_by_itself_is_joined(folder: Path, program: str) -> None:
    graph = joined(folder, program)
    assert {note.kind for note in graph.notes if note.shown} <= {
        *("stood for", "several passes", "uneven passes", "by order alone", "unread parameters"),
        *("inside wrappers", "nobody read", "unlinked", "reductions untold"),
    }
    sent = [message for rank in range(2) for n in alone(folder, program, rank).node_list for message in n.messages]
    ends = [edge for edge in graph.edges if edge.cut == "communication"]
    hubs = [node for node in graph.node_list if node.key.startswith("c")]
    if program == "twice_with_buffers" and tells_reductions(folder):
        assert {edge.match for edge in ends if edge.tail != "a0"} == {"exact"}
    pairs = sum(message.kind == "send" for message in sent)
    assert 2 * len(hubs) + 2 * pairs == len(sent)
    if program in ("sharded", "sharded_steps") and tells_reductions(folder):
        assert {edge.match for edge in ends} == {"exact"}
        assert {node.op for node in hubs} == {"all_gather", "reduce_scatter"}
    if program != "tensor_parallel":  # where it may run in a custom Function, which has a name
        nodes = [node for rank in range(2) for node in alone(folder, program, rank).node_list if node.messages]
        assert all(node.op == node.messages[0].kind for node in nodes)


def test_what_runs_inside_of_a_tensor_of_several_ranks_is_said_to_be_left_out(folder: Path) -> None:
    computed = results(folder, "tensor_parallel", 0)
    assert computed["loss"].item() == pytest.approx(computed["whole"].item(), rel=1e-12)
    for rank in range(2):
        (note,) = (one for one in alone(folder, "tensor_parallel", rank).notes if one.kind == "inside wrappers")
        assert "DTensor" in note.subjects


def test_the_parameters_that_ddp_waits_for_are_named(folder: Path) -> None:
    unused = [f"module.aux.{layer}.{name}" for layer in (0, 1) for name in ("weight", "bias")]
    for how in ("", ".blank"):
        graph = alone(folder, "not_reduced", 0, how)
        (note,) = (one for one in graph.notes if one.kind == "without gradient in the pass before")
        assert list(note.subjects) == unused
        assert note.shown
        for name in unused:
            assert graph.why(name) == graph.why(name.removeprefix("module."))
            assert f"no operation read {name} before" in graph.why(name)


# --- a pipeline of two stages


def test_activations_and_their_gradients_cross_between_the_stages_of_a_pipeline(folder: Path) -> None:
    graph, last = joined(folder, "pipeline"), results(folder, "pipeline", 1)
    assert graph.notices == ()
    forth = [
        edge for edge in graph.edges if edge.cut == "communication" and graph.nodes[edge.head].module == ("rank 1",)
    ]
    assert [graph.nodes[edge.head].name for edge in forth] == ["h_1", "h_2"]
    for edge, name in zip(forth, ("h_1", "h_2"), strict=True):
        assert edge.match == "exact"
        assert array(graph.nodes[edge.tail].value) == array(graph.nodes[edge.head].value) == numbers(last[name])
        assert array(edge.grad) == numbers(last[f"{name}.grad"])
    back = [
        edge for edge in graph.edges if edge.cut == "communication" and graph.nodes[edge.head].module == ("rank 0",)
    ]
    assert [(graph.nodes[edge.head].name, edge.match) for edge in back] == [("back_1", "exact"), ("back_2", "exact")]


def test_the_gradients_of_a_pipeline_are_those_of_the_same_program_in_one_process(folder: Path) -> None:
    first, second = (ranks_program.stage(rank, 2, 2 - rank) for rank in range(2))
    h_1, h_2 = (torch.tanh(first(ranks_program.numbers(*batch))) for batch in ((1, 2), (-3, 0.5)))
    (second(h_1) * second(h_2)).sum().backward()
    graph = joined(folder, "pipeline")
    for rank, net in enumerate((first, second)):
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None
            assert array(of_rank(graph, rank, name).grad) == pytest.approx(numbers(parameter.grad), rel=1e-12)


def test_the_backward_pass_of_the_first_stage_comes_after_that_of_the_second(folder: Path) -> None:
    graph = joined(folder, "pipeline")
    order = {
        rank: [
            node.backward_order
            for node in graph.node_list
            if node.module == (f"rank {rank}",) and node.backward_order is not None
        ]
        for rank in (0, 1)
    }
    assert sorted(order[0] + order[1]) == list(range(len(order[0]) + len(order[1])))
    linears = [node.backward_order for node in graph.node_list if node.op == "linear" and node.module == ("rank 1",)]
    hidden = [node.backward_order for node in graph.node_list if node.op == "tanh"]
    assert all(
        later is not None and earlier is not None and later > earlier
        for later, earlier in zip(hidden, linears, strict=True)
    )


# --- data parallel


def test_local_gradients_and_what_all_ranks_have_after_their_average_are_told_apart(folder: Path) -> None:
    graph = joined(folder, "averaged")
    hub = graph.nodes["a0"]
    assert hub.name == "gradients, mean over 2 ranks"
    found = [results(folder, "averaged", rank) for rank in range(2)]
    assert array(hub.grad) == numbers(found[0]["weight.grad"]) + numbers(found[0]["bias.grad"])
    for rank in range(2):
        for name in ("weight", "bias"):
            leaf = of_rank(graph, rank, f"module.{name}")
            (edge,) = [edge for edge in graph.in_edges(leaf.key) if edge.tail == "a0"]
            assert (edge.cut, edge.match) == ("communication", "exact")
            assert array(leaf.grad) == array(edge.grad) == numbers(found[rank][f"local {name}.grad"])
            assert array(leaf.ports[0].grad_total) == numbers(found[rank][f"{name}.grad"])
            mean = (found[0][f"local {name}.grad"] + found[1][f"local {name}.grad"]) / 2
            assert torch.allclose(found[rank][f"{name}.grad"], mean)


def test_the_collective_that_ddp_calls_during_the_backward_pass_is_recorded(folder: Path) -> None:
    for rank in range(2):
        (message,) = [
            message for node in alone(folder, "averaged", rank).node_list if (message := message_of(node)) is not None
        ]
        assert (message.kind, message.rank, message.ranks, message.backward) == ("all_reduce", rank, (0, 1), True)
        assert message.reduction == ("sum" if tells_reductions(folder) else None)
    graph = joined(folder, "averaged")
    assert {edge.match for edge in graph.in_edges("c0")} == {"exact"}
    bucket = results(folder, "averaged", 0)
    assert sorted(array(graph.nodes["c0"].value)) == sorted(
        numbers(bucket["weight.grad"]) + numbers(bucket["bias.grad"])
    )


def test_gradients_that_are_only_summarised_are_read_after_they_were_averaged(folder: Path) -> None:
    graph = joined(folder, "averaged_in_buckets")
    for rank in range(2):
        total = of_rank(graph, rank, "module.0.weight").ports[0].grad_total
        assert total is not None
        assert total.norm == pytest.approx(
            float(results(folder, "averaged_in_buckets", rank)["0.weight.grad"].norm()), rel=1e-5
        )
    assert graph.nodes["a0"].name == "gradients, mean over 2 ranks"
    matches = {graph.nodes[edge.head].name: edge.match for edge in graph.out_edges("a0")}
    assert matches == {
        "module.0.weight": "guess",
        "module.0.bias": "exact",
        "module.2.weight": "exact",
        "module.2.bias": "guess",
    }
    hub = graph.nodes["c0"]
    assert {edge.match for edge in graph.in_edges("c0")} == {"exact"}
    assert hub.value is not None


# --- every kind of communication


def tells_reductions(folder: Path) -> bool:
    """Whether torch says what a reduction is; what it does not say is not known."""
    return (folder / "tells_reductions").exists()


def test_every_collective_is_one_node_with_what_each_rank_got(folder: Path) -> None:
    graph = joined(folder, "collectives")
    hubs = [node for node in graph.node_list if node.key.startswith("c")]
    assert [node.op for node in hubs] == [
        *("all_reduce", "all_reduce", "broadcast", "all_gather", "reduce", "dist_scatter", "dist_gather", "all_to_all"),
        # not every version of torch can do that without a device
        *(["reduce_scatter"] if "piece" in results(folder, "collectives", 0) else []),
    ]
    matches = {
        node.op: {edge.match for edge in graph.in_edges(node.key) if edge.cut == "communication"} for node in hubs
    }
    unsure = ["dist_gather"]  # nobody read the second of the two tensors that were gathered
    unsure += [] if tells_reductions(folder) else ["reduce", "reduce_scatter"]
    unsaid = [
        name
        for note in alone(folder, "collectives", 0).notes
        if note.kind == "reductions untold"
        for name in note.subjects
    ]
    assert unsaid == (
        []
        if tells_reductions(folder)
        else ["all_reduce", *(op for op in unsure[1:] if op in {node.op for node in hubs})]
    )
    assert matches == {node.op: {"guess"} if node.op in unsure else {"exact"} for node in hubs}
    for rank in range(2):
        for name, value in results(folder, "collectives", rank).items():
            if name != "collected":
                assert array(of_rank(graph, rank, name).value) == numbers(value)
    assert array(hubs[0].value) == [3, 6]
    assert [array(port.value) for port in hubs[5].ports] == [[1, 2], [3, 4]]


def test_what_is_written_by_a_collective_feeds_what_reads_it(folder: Path) -> None:
    graph = joined(folder, "collectives")
    for rank in range(2):
        assert graph.in_edges(of_rank(graph, rank, "total").key)[0].tail == "c0"
        assert graph.in_edges(of_rank(graph, rank, "largest").key)[0].tail == "c1"


def test_messages_find_each_other_by_peer_tag_and_group(folder: Path) -> None:
    graph = joined(folder, "messages")
    pairs = [
        (array(tail.value), tail.module, array(head.value), head.name, match) for tail, head, match in crossing(graph)
    ]
    assert all(sent == received and match == "exact" for sent, _, received, _, match in pairs)
    assert sorted((received, module, name or "") for _, module, received, name, _ in pairs) == [
        ([1.0], ("rank 0",), "buffer"),
        ([2.0], ("rank 0",), "buffer"),
        ([3.0], ("rank 0",), "d"),
        ([4.0], ("rank 0",), "e"),
        ([5.0], ("rank 0",), "part"),
        ([6.0], ("rank 0",), "part"),
        ([10.0, 20.0], ("rank 0",), "theirs"),
        ([11.0, 21.0], ("rank 1",), "theirs"),
    ]
    assert graph.notices == ("No backward pass was recorded.",)


def test_a_receive_from_any_rank_knows_afterwards_from_which(folder: Path) -> None:
    received = next(node for node in alone(folder, "messages", 1).node_list if node.name == "d")
    message = message_of(received)
    assert message is not None
    assert message.peer == 0


def test_gradients_flow_through_a_collective_that_has_a_derivative(folder: Path) -> None:
    for program in ("through_autograd", "functionally"):
        graph = joined(folder, program)
        hub = graph.nodes["c0"]
        if "x.grad" not in results(folder, program, 0):
            assert {node.grad for node in graph.node_list if node.name == "x"} == {None}
            continue
        assert (hub.op, [array(port.value) for port in hub.ports]) == ("all_reduce", [[6, 12], [6, 12]])
        assert {edge.cut for edge in graph.in_edges("c0")} == {None}
        for rank in range(2):
            leaf = next(node for node in graph.node_list if node.kind == "leaf" and node.module == (f"rank {rank}",))
            assert array(leaf.grad) == numbers(results(folder, program, rank)["x.grad"])
        flowing = [array(edge.grad) for edge in graph.in_edges("c0")]
        if program == "through_autograd":
            assert flowing[0] == flowing[1] == np.add(*[array(port.grad) for port in hub.ports]).tolist()


def test_what_has_not_arrived_is_not_shown_as_if_it_had(folder: Path) -> None:
    graph = joined(folder, "unfinished")
    for rank in range(2):
        late = of_rank(graph, rank, "late").value
        assert late is not None
        assert (late.array, late.missing) == (None, "not known to have arrived while it was recorded")
        assert array(of_rank(graph, rank, "twice").value) == numbers(results(folder, "unfinished", rank)["twice"])
    buffers = [array(node.value) for node in graph.node_list if node.op == "recv" and node.name == "buffer"]
    assert buffers == [[1], [2]]  # the same tensor, at two moments
    assert {notice for notice in graph.notices if "joined" in notice} == {
        "1 message from rank 1 to rank 0 in group '0' with tag 9 is not joined: rank 1 recorded no send for it.",
        "1 message from rank 0 to rank 1 in group '0' with tag 9 is not joined: rank 0 recorded no send for it.",
    }


def test_a_rank_that_raised_leaves_its_part_and_the_rest_is_said(folder: Path) -> None:
    graph = joined(folder, "step_fails")
    assert "Rank 1: The program raised ValueError: out of luck; this is the graph up to there." in graph.notices
    assert (
        "1 message from rank 0 to rank 1 in group '0' is not joined: rank 1 recorded no receive for it."
        in graph.notices
    )
    assert [match for _, _, match in crossing(graph)] == ["guess"]


# --- pictures, files, the command line


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_joined_graph_can_be_drawn_filmed_folded_and_saved(folder: Path, program: str, tmp_path: Path) -> None:
    graph = joined(folder, program)
    scene = graph.plot().scene
    if scene.groups:
        assert {group.title for group in scene.groups if group.parent is None} <= {"rank 0", "rank 1"}
    assert len(graph.animate().steps) > 2
    assert graph.plot(depth=1).scene.placed
    again = Graph.load(graph.save(tmp_path / "joined.json"))
    assert (again.node_list, again.edges, again.notices) == (graph.node_list, graph.edges, graph.notices)


def test_the_command_line_joins_the_files_of_all_ranks(folder: Path, tmp_path: Path) -> None:
    files = [str(folder / f"pipeline.{rank}.json") for rank in range(2)]
    assert main(["plot", *files, "-o", str(tmp_path / "step.svg")]) == 0
    text = (tmp_path / "step.svg").read_text("utf-8")
    assert "rank 0" in text
    assert "⇢ rank 1" in text


# --- what went wrong between the ranks: program -> kind, ranks, line that is marked as the fault, severity
BETWEEN: dict[str, tuple[str, tuple[int, ...], bool, str]] = {
    "other_dtype": ("collectives-differ", (0, 1), True, "error"),
    "other_reduction": ("collectives-differ", (0, 1), True, "error"),
    "other_order": ("collectives-differ", (0, 1), True, "error"),
    "other_operation": ("collectives-differ", (0, 1), True, "error"),
    "one_call_less": ("collective-missing", (1,), True, "error"),
    "rank_raises": ("raised", (1,), True, "error"),
    "unanswered": ("message-unanswered", (0,), True, "warning"),
    "loaded_on_one": ("parameters-not-equal", (0, 1), False, "error"),
    "other_seeds": ("parameters-not-equal", (0, 1), False, "error"),
    "head_outside": ("gradients-not-synchronised", (0, 1), False, "error"),
    "always_no_sync": ("gradients-not-synchronised", (0, 1), False, "error"),
    "wrapper_not_called": ("gradients-not-synchronised", (0, 1), False, "error"),
    "one_left_out": ("gradients-not-synchronised", (0, 1), False, "error"),
    "never_averaged": ("gradients-not-synchronised", (0, 1), False, "warning"),
    "unused": ("unused-under-ddp", (0, 1), False, "error"),
    "nan_on_one": ("not-finite-on-one-rank", (1,), True, "error"),
    "of_the_rank": ("ranks-diverge", (0, 1), True, "warning"),
    "backward_of_the_rank": ("ranks-diverge", (0, 1), True, "warning"),
}
# what files that were written as it went tell of the same: another first finding, or None
IN_FILES: dict[str, str | None] = dict.fromkeys(("other_seeds", "head_outside", "one_left_out", "unused"), None) | {
    **dict.fromkeys(("of_the_rank", "backward_of_the_rank"), None),
    "rank_raises": "rank-ended-early",
}
NAMED = {
    "loaded_on_one": ("module.2.weight",),
    "head_outside": ("head.weight", "head.bias"),
    "one_left_out": ("2.bias",),
    "unused": ("module.idle.weight", "module.idle.bias"),
}


def fault_lines(program: str) -> set[int]:
    function = getattr(rank_faults, program).__code__
    lines = Path(rank_faults.__file__).read_text().splitlines()
    last = max(line for _, _, line in function.co_lines() if line)
    return {i for i in range(function.co_firstlineno, last + 3) if lines[i - 1].endswith(("# fault", "# last seen"))}


def loud(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity != "note"]


def told_by_files(folder: Path, program: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    files = [str(folder / f"{program}.{rank}.jsonl") for rank in range(2)]
    code = main(["diagnose", *files, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("program", BETWEEN)
def test_what_goes_wrong_between_ranks_is_the_first_finding(
    folder: Path, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if program == "other_reduction" and not tells_reductions(folder):
        pytest.skip("this version of torch does not say what a reduction is")
    kind, ranks, marked, severity = BETWEEN[program]
    found = joined(folder, program).diagnose()
    first = found.findings[0]
    assert (first.kind, first.ranks, first.severity) == (kind, ranks, severity)
    assert first.names == NAMED.get(program, first.names)
    if marked:
        assert first.line in fault_lines(program)
    assert f"{severity}: {kind} at {first.source} on rank" in str(found)
    told = json.loads(found.to_json())["findings"][0]
    assert (told["kind"], told["ranks"]) == (kind, list(ranks))
    code, by_file = told_by_files(folder, program, capsys)
    wanted = IN_FILES.get(program, kind)
    assert [one["kind"] for one in by_file["findings"][:1]] == ([wanted] if wanted else [])
    if wanted:
        assert by_file["findings"][0]["ranks"] == list(ranks)
        assert code == (severity == "error")
    if marked and wanted:
        assert by_file["findings"][0]["line"] in fault_lines(program)


@pytest.mark.parametrize("program", [each.__name__ for each in rank_faults.HEALTHY])
def test_ranks_that_do_as_they_should_are_let_be(
    folder: Path, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not loud(joined(folder, program).diagnose().findings)
    code, by_file = told_by_files(folder, program, capsys)
    assert (code, by_file["findings"]) == (0, [])


@pytest.mark.parametrize("program", [p for p in PROGRAMS if p not in ("not_reduced", "step_fails", "unfinished")])
def test_neither_are_pieces_stages_or_shards_of_a_model_faults(folder: Path, program: str) -> None:
    assert not loud(joined(folder, program).diagnose().findings)


def test_why_gradients_are_not_the_same_is_told_apart(folder: Path) -> None:
    why = {
        program: joined(folder, program).diagnose().findings[0].evidence["why"]
        for program in ("head_outside", "always_no_sync", "wrapper_not_called", "one_left_out", "never_averaged")
    }
    assert list(why.values()) == ["outside", "not called", "not called", "left out", "never"]


def test_parameters_that_ddp_waits_for_are_told_by_one_rank_and_by_all(folder: Path) -> None:
    unused = tuple(f"module.aux.{layer}.{name}" for layer in (0, 1) for name in ("weight", "bias"))
    graphs = [alone(folder, "not_reduced", rank) for rank in range(2)]
    for graph, ranks in ((graphs[1], ()), (gad.merge(graphs), (0, 1))):
        first = graph.diagnose().findings[0]
        assert (first.kind, first.names, first.ranks) == ("unused-under-ddp", unused, ranks)


def test_what_reaches_other_ranks_is_told_once_with_the_rank_that_it_came_from(folder: Path) -> None:
    found = joined(folder, "nan_on_one").diagnose()
    assert [(one.kind, one.ranks) for one in loud(found.findings)] == [
        ("not-finite-on-one-rank", (1,)),
        ("nan-value", (1,)),
    ]
    assert found.findings[0].evidence["pass"] == 2
    assert found.findings[0].evidence["reached"] == (0,)
    assert alone(folder, "nan_on_one", 0).diagnose().findings[0].severity == "error"  # by itself it knows no better


def test_a_rank_that_was_killed_leaves_its_file_and_those_of_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert not (folder / "killed.1.json").exists()
    code, told = told_by_files(folder, "killed", capsys)
    first, evidence = told["findings"][0], told["findings"][0]["evidence"]
    assert (code, first["kind"], first["ranks"]) == (1, "rank-ended-early", [1])
    assert (evidence["killed"], evidence["step"], evidence["waiting"]["rank"]) == (True, 2, 0)
    assert first["line"] in fault_lines("killed")
    assert len(gad.read_history(folder / "killed.1.jsonl")) == 2
    for graph in (alone(folder, "killed", 0), gad.merge([alone(folder, "killed", 0)])):
        alone_here = graph.diagnose().findings[0]
        assert (alone_here.kind, alone_here.evidence["missing"]) == ("rank-missing", (1,))
        assert alone_here.line in fault_lines("killed")
    lines = (folder / "killed.1.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:30])  # in the middle of a line
    assert len(gad.read_history(tmp_path / "cut.jsonl")) == 1
    for wrong in (folder / "killed.0.json", folder / "killed.0.jsonl"):
        assert main(["diagnose", str(folder / "killed.0.jsonl"), str(wrong)]) in (1, 2)
    said = capsys.readouterr().err
    assert "give the .jsonl files of all ranks" in said
    assert "2 of the files were written by rank 0" in said


def test_a_merged_graph_keeps_what_each_rank_recorded_in_files_too(folder: Path, tmp_path: Path) -> None:
    graph = joined(folder, "other_operation")
    again = Graph.load(graph.save(tmp_path / "joined.json"))
    assert again.diagnose().to_json() == graph.diagnose().to_json()
    found = graph.diagnose()
    assert found.findings[0].key in graph.nodes
    assert "⚠ 1 collectives-differ" in found.plot().to_svg()
    for text in (found.to_markdown(), found.to_html()):
        assert "on ranks 0, 1" in text
