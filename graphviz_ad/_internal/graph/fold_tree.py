"""Graph -> the tree of its folds: every way in which a part of it can become one box, as one value.

Each node of the graph is at exactly one leaf. The leaves, from left to right, are in an order in which everything comes
after what it reads, so that whatever stands below one fold can be one node and no circle comes of it.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from graphviz_ad._internal.graph.fold_repeats import repeats_in
from graphviz_ad._internal.graph.fold_scopes import FUNCTION, LINE, MODULE, Scope, is_source, scopes_of
from graphviz_ad._internal.graph.folding import common_path
from graphviz_ad._internal.graph.graph import Graph, Node

PROGRAM, DATA, STEPS, UNREAD, SHARED = "program", "data", "steps", "unread", "shared"
REPEAT, ROUND, CHAIN, NODE = "repeat", "round", "chain", "node"
KINDS = (PROGRAM, MODULE, FUNCTION, LINE, DATA, STEPS, UNREAD, SHARED, REPEAT, ROUND, CHAIN, NODE)
MOST_ABREAST = 8  # children of a fold; of more, neighbours are put together
MOST_UNREAD = 2  # parameters that nothing reads, and that are in no module that ran, one by one
MOST_SHARED = 4  # parameters that the same parts of a fold read, one by one
LOOP = 3  # as often a line has to come up for what it prepares to be a part of a loop


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A part of a graph that can be one box.

    ``kind`` is one of `KINDS`; ``name`` what it is called, ``names`` all by which it can be asked for, ``called`` the
    function or class; ``key`` is that of the node, where it is one. ``structure`` is the same for what is built alike,
    ``likeness`` even where parameters are of other shapes or repeats of other lengths.
    ``first`` is the place of its first node among the leaves of the tree, ``size`` how many nodes there are,
    ``operations`` how many of them compute something; ``lives``: whether anything in it takes a gradient.
    """

    kind: str
    name: str
    children: tuple[Fold, ...] = ()
    key: str = ""
    names: tuple[str, ...] = ()
    called: str = ""
    structure: int = 0
    likeness: int = 0
    first: int = 0
    size: int = 1
    operations: int = 0
    lives: bool = False

    @property
    def end(self) -> int:
        """The place after that of its last node."""
        return self.first + self.size

    @property
    def is_structured(self) -> bool:
        """Whether modules or repeats are to be seen where it is opened."""
        waiting = list(self.children)
        while waiting:
            child = waiting.pop()
            if child.kind in (MODULE, REPEAT):
                return True
            waiting += child.children if child.kind in (LINE, FUNCTION, CHAIN, ROUND) else ()
        return False

    @property
    def loop(self) -> Fold | None:
        """What is repeated, where that is all that it computes."""
        computing = [child for child in self.children if child.operations] if self.kind != REPEAT else [self]
        return computing[0] if len(computing) == 1 and computing[0].kind == REPEAT else None

    def leaves(self) -> Iterator[Fold]:
        """The nodes of it, in order."""
        waiting: list[Fold] = [self]
        while waiting:
            here = waiting.pop()
            if here.kind == NODE:
                yield here
            waiting += reversed(here.children)

    def keys(self) -> list[str]:
        """The keys of its nodes, in order."""
        return [leaf.key for leaf in self.leaves()]

    def walk(self) -> Iterator[Fold]:
        """It and all below it, what is above first."""
        waiting: list[Fold] = [self]
        while waiting:
            here = waiting.pop()
            yield here
            waiting += reversed(here.children)


@dataclass(slots=True, eq=False)
class Open:
    """A fold that is still being filled, with keys of nodes and further folds."""

    scope: Scope
    parent: Open | None
    depth: int
    parts: list[str | Open] = field(default_factory=list)
    lives: bool = False
    learns: bool = False  # a step of an optimizer is in it


@dataclass(slots=True)
class Idle:
    """Parts of a fold that take no gradient and can stand together at one place; ``is_data``: they need nothing that
    the rest of it computes.
    """

    place: int
    is_data: bool
    parts: dict[str | int, None] = field(default_factory=dict)

    def admits(self, after: int) -> bool:
        """Whether what has to come after a place can be a part of it."""
        return self.place > after or (self.place == after and bool(self.parts))


def is_of_sources(part: str | Open) -> bool:
    """Whether a part is a fold of parameters alone."""
    return isinstance(part, Open) and part.scope.kind in (SHARED, UNREAD)


def named(part: str | Open | None) -> str | int:
    """A part of a fold as a key of dicts."""
    return part if isinstance(part, str) else id(part)


def fold_tree(graph: Graph) -> Fold:
    """The folds of a graph."""
    return Building(graph).tree()


class Building:
    """The tree of a graph on its way."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.root = Open(Scope(PROGRAM, -1, graph.name, (graph.name,)), None, 0)
        self.folds = [self.root]  # what is around comes first
        self.home: dict[str, Open] = {}
        self.structures: dict[object, int] = {}
        self.for_steps = self.only_for_steps()

    def tree(self) -> Fold:
        """All passes, one after the other."""
        timed = [node for node in self.graph.node_list if not self.waits_for_reader(node)]
        self.place_operations(timed)
        self.place_sources()
        for open_fold in list(self.folds):
            self.gather_data(open_fold)
        done: dict[int, list[Fold]] = {}
        for open_fold in reversed(list(folds_in(self.root))):
            done[id(open_fold)] = self.finished(open_fold, done)
        (root,) = done[id(self.root)]
        return numbered(root)

    # --- what is where

    def waits_for_reader(self, node: Node) -> bool:
        """Whether a node stands where it is read: it is there before the program, or is what a step made of it."""
        edges = self.graph.in_edges(node.key)
        stepped = node.kind == "leaf" and any(self.graph.nodes[edge.tail].is_step for edge in edges)
        return is_source(self.graph, node) or (stepped and bool(self.graph.out_edges(node.key)))

    def only_for_steps(self) -> set[str]:
        """The nodes without a gradient that optimizers alone read: gradients, parameters, what clips and scales."""
        found: set[str] = set()
        for node in reversed(self.graph.node_list):
            edges = self.graph.out_edges(node.key)
            heads = [self.graph.nodes[edge.head] for edge in edges]
            idle = is_source(self.graph, node) or not (is_live(node) or node.is_step or node.kind == "leaf")
            kept = any(port.is_output for port in node.ports)
            if idle and heads and not kept and all(self.is_for_step(head, found) for head in heads):
                found.add(node.key)
        return found

    def is_for_step(self, node: Node, found: Container[str]) -> bool:
        """Whether a node is a step, what one makes of a parameter, or one of those that only these read."""
        return node.is_step or node.key in found or self.waits_for_reader(node)

    def opened(self, scope: Scope, parent: Open) -> Open:
        """A new fold within another."""
        made = Open(scope, parent, parent.depth + 1)
        self.folds.append(made)
        return made

    def place_operations(self, timed: list[Node]) -> None:
        """Each operation in the folds of its scopes."""
        path: list[Open] = [self.root]
        for node, scopes in zip(timed, scopes_of(self.graph, timed), strict=True):
            shared = 0
            while shared < min(len(scopes), len(path) - 1) and path[shared + 1].scope is scopes[shared]:
                shared += 1
            del path[shared + 1 :]
            for scope in scopes[shared:]:
                made = self.opened(scope, path[-1])
                path[-1].parts.append(made)
                path.append(made)
            path[-1].parts.append(node.key)
            self.home[node.key] = path[-1]
            for around in path:
                around.lives |= is_live(node)
                around.learns |= node.is_step or node.key in self.for_steps

    def place_sources(self) -> None:
        """Each parameter and number in the innermost fold that has all that reads it, before its first reader; what
        the user gave, beside the program.
        """
        before: dict[tuple[int, int | str], list[str]] = {}
        timed, unread = {*self.home}, []
        for node in self.graph.node_list:
            if node.key in self.home:
                continue
            readers = self.timed_readers(node, timed)
            if not readers:
                unread.append(node.key)
                continue
            around = self.root if is_given(node) else self.around_all(readers)
            self.home[node.key] = around
            first = self.part_within(around, readers[0])
            before.setdefault((id(around), named(first)), []).append(node.key)
        for around in list(self.folds):
            around.parts = [
                each
                for part in around.parts
                for each in (*self.together(around, before.get((id(around), named(part)), ())), part)
            ]
            ahead = {named(part) for part in around.parts if self.is_of_loop(around, part)}
            if ahead:
                around.parts.sort(key=lambda part: named(part) not in ahead)
        self.place_unread(unread)

    def timed_readers(self, node: Node, timed: Container[str]) -> list[str]:
        """The operations that read a node; of a parameter of which a step makes what is read later, that step, too."""
        found: dict[str, None] = {}
        for edge in self.graph.out_edges(node.key):
            if edge.head in timed:
                found[edge.head] = None
            elif node.kind == "leaf":
                steps = (other.tail for other in self.graph.in_edges(edge.head) if self.graph.nodes[other.tail].is_step)
                found.update((key, None) for key in steps if key in timed)
        return self.without_steps(list(found))

    def without_steps(self, keys: list[str]) -> list[str]:
        """Those that are no step of an optimizer, which changes what others have read; the steps, where there are no
        others.
        """
        return [key for key in keys if key not in self.for_steps and not self.graph.nodes[key].is_step] or keys

    def together(self, around: Open, keys: Sequence[str]) -> list[str | Open]:
        """Sources that come before the same part of a fold, with many parameters that the same parts of it read as
        one.
        """
        alike: dict[object, list[str]] = {}
        for key in keys:
            if is_tensor_of_module(self.graph.nodes[key]) and key not in self.for_steps:
                what = self.graph.nodes[key].kind, frozenset(self.readers_within(around, key))
                alike.setdefault(what, []).append(key)
        many = {key: parts for parts in alike.values() if len(parts) > MOST_SHARED for key in parts}
        found: list[str | Open] = []
        for key in keys:
            if key not in many:
                found.append(key)
            elif many[key][0] == key:
                made = self.opened(Scope(SHARED, -1, self.module_of(many[key]), ()), around)
                made.parts = [*many[key]]
                self.home.update((each, made) for each in many[key])
                found.append(made)
        return found

    def readers_within(self, around: Open, key: str) -> set[str | int]:
        """The parts of a fold that read a source."""
        heads = self.without_steps([edge.head for edge in self.graph.out_edges(key)])
        return {named(self.part_within(around, head)) for head in heads}

    def is_of_loop(self, around: Open, part: str | Open) -> bool:
        """Whether a part is there before the program, and is read each time around a loop, so that it stands before
        all of it.
        """
        if not self.is_there_before(part):
            return False
        key = part if isinstance(part, str) else next(each for each in part.parts if isinstance(each, str))
        return not is_given(self.graph.nodes[key]) and len(self.readers_within(around, key)) >= LOOP

    def module_of(self, keys: Sequence[str]) -> str:
        """The module that these parameters are of; of all modules, none."""
        return ".".join(common_path([tuple((self.graph.nodes[key].name or "").split(".")[:-1]) for key in keys]))

    def place_unread(self, keys: list[str]) -> None:
        """What nothing reads: in the module that it is of, where that ran once, else as one fold before all."""
        modules: dict[str, list[Open]] = {}
        for each in self.folds:
            if each.scope.kind == MODULE:
                modules.setdefault(each.scope.name, []).append(each)
        rest = []
        for key in keys:
            around = modules.get((self.graph.nodes[key].name or "").rpartition(".")[0], [])
            if len(around) == 1:
                around[0].parts.insert(0, key)
                self.home[key] = around[0]
            else:
                rest.append(key)
        together = self.opened(Scope(UNREAD, -1, "unread", ()), self.root) if len(rest) > MOST_UNREAD else self.root
        self.home.update((key, together) for key in rest)
        together.parts = [*rest, *together.parts]
        self.root.parts = [together, *self.root.parts] if together is not self.root else self.root.parts

    def around_all(self, keys: list[str]) -> Open:
        """The innermost fold that holds all of these nodes."""
        found = self.home[keys[0]]
        for key in keys[1:]:
            other = self.home[key]
            while found is not other:
                if found.depth >= other.depth:
                    found = found.parent or self.root
                else:
                    other = other.parent or self.root
        return found

    def part_within(self, around: Open, key: str) -> str | Open | None:
        """The part of a fold that a node is, or is in; None where it is elsewhere."""
        part: str | Open = key
        above: Open | None = self.home[key]
        while above is not None and above is not around:
            part, above = above, above.parent
        return part if above is around else None

    # --- data that is prepared

    def gather_data(self, around: Open) -> None:
        """What computes something for this fold of which no gradient is taken, as one fold: what prepares its data
        before the rest, and what depends on results of the rest, or on steps, after these.
        """
        if not around.lives:
            return
        for group in self.idle_groups(around):
            if len(group.parts) > 1:
                self.put_together(around, group.parts)

    def idle_groups(self, around: Open) -> list[Idle]:
        """The parts of a fold that take no gradient, those together that can stand before whatever reads them."""
        lines, interleaved = self.lines_of(around), self.lines_between(around)
        groups: list[Idle] = []
        where: dict[str | int, int] = {}  # the place that a part has, or that of its group
        for place, part in enumerate(around.parts):
            where[named(part)] = -1 if self.is_there_before(part) else place
            if self.is_live(part) or self.learns(part) or is_of_sources(part) or where[named(part)] < 0:
                continue
            line = self.line_of(part)
            after = max([where[named(each)] for each in self.read_by(around, part) if named(each) in where], default=-1)
            group = next((each for each in reversed(groups) if each.admits(after)), None)
            is_data = group.is_data if group is not None else after < 0
            if lines.get(line, 0) >= LOOP and (line in interleaved or not is_data):
                continue
            if group is None:
                group = Idle(place, is_data)
                groups.append(group)
            group.parts[named(part)] = None
            where[named(part)] = group.place
        return groups

    def put_together(self, around: Open, parts: Collection[str | int]) -> None:
        """These parts of a fold, and the sources that only they read, as a fold in it, after what they need."""
        place = next(i for i, part in enumerate(around.parts) if named(part) in parts)
        needed = self.sources_read(around, parts)
        own = {key for key in needed if isinstance(key, str) and self.is_only_for(around, key, parts)}
        own -= {key for key in own if is_given(self.graph.nodes[str(key)])}
        ahead = {named(part) for part in around.parts[:place]}
        late = [part for part in around.parts if named(part) in needed - own - ahead]
        moved = {*parts, *own, *late}
        made = self.opened(Scope(DATA, -1, "data", ()), around)
        made.parts = [part for part in around.parts if named(part) in parts or named(part) in own]
        before, behind = (
            [part for part in some if named(part) not in moved] for some in (around.parts[:place], around.parts[place:])
        )
        around.parts = [*before, *late, made, *behind]
        for part in made.parts:
            if isinstance(part, str):
                self.home[part] = made
            else:
                part.parent = made

    def sources_read(self, around: Open, parts: Collection[str | int]) -> set[str | int]:
        """The sources in a fold that parts of it read."""
        return {
            named(each)
            for part in around.parts
            if named(part) in parts
            for each in self.read_by(around, part)
            if self.is_there_before(each)
        }

    def is_there_before(self, part: str | Open) -> bool:
        """Whether a part is there before the program computes anything."""
        keys = [part] if isinstance(part, str) else part.parts if part.scope.kind == SHARED else []
        nodes = [self.graph.nodes[key] for key in keys if isinstance(key, str)]
        return bool(nodes) and all(is_source(self.graph, node) for node in nodes)

    def lines_between(self, around: Open) -> set[str | None]:
        """The lines in which something is computed both before and after something that takes a gradient."""
        found: set[str | None] = set()
        met: dict[str | None, int] = {}
        living = 0
        for part in around.parts:
            if self.is_live(part):
                living += not self.is_there_before(part)
                continue
            line = self.line_of(part)
            if met.setdefault(line, living) != living:
                found.add(line)
        return found

    def lines_of(self, around: Open) -> dict[str | None, int]:
        """How often something without a gradient was computed in each line."""
        counts: dict[str | None, int] = {}
        for part in around.parts:
            if not self.is_live(part):
                line = self.line_of(part)
                counts[line] = counts.get(line, 0) + (line is not None)
        return counts

    def line_of(self, part: str | Open) -> str | None:
        """The line that a part is of."""
        keys = [part] if isinstance(part, str) else nodes_in(part)
        return next((source for key in keys if (source := self.graph.nodes[key].source) is not None), None)

    def is_live(self, part: str | Open) -> bool:
        """Whether a part has anything that takes a gradient."""
        return part.lives if isinstance(part, Open) else self.graph.nodes[part].requires_grad

    def learns(self, part: str | Open) -> bool:
        """Whether a part is, or has, a step of an optimizer, or something for it alone."""
        return part.learns if isinstance(part, Open) else self.graph.nodes[part].is_step or part in self.for_steps

    def read_by(self, around: Open, part: str | Open) -> list[str | Open]:
        """The other parts of a fold that a part without gradients reads."""
        if self.is_live(part):
            return []
        keys = [part] if isinstance(part, str) else nodes_in(part)
        found: dict[int | str, str | Open] = {}
        for key in keys:
            for edge in self.graph.in_edges(key):
                other = self.part_within(around, edge.tail)
                if other is not None and other is not part:
                    found[named(other)] = other
        return list(found.values())

    def is_only_for(self, around: Open, key: str, parts: Collection[str | int]) -> bool:
        """Whether only these parts of a fold read a source."""
        readers = [self.part_within(around, edge.head) for edge in self.graph.out_edges(key)]
        return all(named(part) in parts for part in readers)

    # --- from within to the outside

    def finished(self, around: Open, done: dict[int, list[Fold]]) -> list[Fold]:
        """What a fold becomes: one fold, or, of a line that is not worth one, its parts."""
        children: list[Fold] = []
        for part in around.parts:
            children += [self.leaf(part)] if isinstance(part, str) else done[id(part)]
        count = sum(child.operations for child in children)
        if around.scope.kind in (LINE, FUNCTION) and (count < 2 or all(map(self.is_in_strip, children))):
            gathers = count == 1 and len(children) > LOOP and not around.lives and not around.learns
            return [self.folded(replace(around.scope, kind=DATA), children, count)] if gathers else children
        if around.scope.kind not in (SHARED, UNREAD):
            children = self.with_steps(children)
            children = [
                child
                for piece in repeats_in([child.structure for child in children])
                for child in self.repeated(children, piece.start, piece.period, piece.copies)
            ]
        return [self.folded(around.scope, in_chains(children), count, root=around is self.root)]

    def leaf(self, key: str) -> Fold:
        """A node as a fold."""
        node = self.graph.nodes[key]
        shape = node.ports[0].shape if node.op is None else None
        structure = self.structure((NODE, node.op, node.source, shape))
        names = tuple(dict.fromkeys(name for name in (node.name, *(port.name for port in node.ports)) if name))
        name = node.name or node.op or "number"
        count = int(node.op is not None and node.kind != "leaf")
        like = self.structure((NODE, node.op, "like"))
        lives = is_live(node)
        return Fold(NODE, name, (), key, names, node.op or "", structure, like, operations=count, lives=lives)

    def folded(self, scope: Scope, children: list[Fold], count: int, *, root: bool = False) -> Fold:
        """A fold of these children; what has a single one is that, by its own name."""
        if len(children) == 1 and not root:
            only = children[0]
            names = tuple(dict.fromkeys((*scope.names, *only.names)))
            kept = only.kind in (NODE, REPEAT, STEPS)
            named = scope.kind == MODULE or not kept or (scope.kind == LINE and only.kind == STEPS)
            return replace(
                only,
                kind=only.kind if kept else scope.kind,
                name=scope.name if named else only.name,
                names=names,
                called=scope.called or only.called,
            )
        local = local_name(scope.name) if scope.kind != LINE else ""
        what = (scope.kind, local, scope.called, *(child.structure for child in children))
        return Fold(
            scope.kind,
            scope.name,
            tuple(children),
            names=scope.names,
            called=scope.called,
            structure=self.structure(what),
            likeness=self.structure((scope.kind, scope.called, *likenesses(children), "like")),
            operations=count,
            lives=any(child.lives for child in children),
        )

    def structure(self, what: object) -> int:
        """A number for what is built alike."""
        return self.structures.setdefault(what, len(self.structures) + 1)

    def with_steps(self, children: list[Fold]) -> list[Fold]:
        """The children, with what an optimizer made of the parameters one after the other as one."""
        found: list[Fold] = []
        strip: list[Fold] = []
        sources: list[Fold] = []  # of the step that comes next
        for child in children:
            if self.is_only_for_steps(child):
                sources.append(child)
            elif self.is_of_step(child):
                if strip and not self.goes_on(strip, child):
                    found += self.strip_of(strip)
                    strip = []
                strip += [*sources, child]
                sources = []
            else:
                found += [*self.strip_of(strip), *sources, child]
                strip, sources = [], []
        return [*found, *self.strip_of(strip), *sources]

    def is_in_strip(self, child: Fold) -> bool:
        """Whether this is a part of steps of an optimizer."""
        return self.is_of_step(child) or self.is_only_for_steps(child)

    def is_of_step(self, child: Fold) -> bool:
        """Whether this is a step of an optimizer, or what it makes of a parameter that nothing reads any more."""
        return child.kind == NODE and (self.graph.nodes[child.key].is_step or bool(self.steps_before(child)))

    def steps_before(self, child: Fold) -> set[str]:
        """The steps that a parameter comes of."""
        node = self.graph.nodes[child.key]
        tails = {edge.tail for edge in self.graph.in_edges(child.key)} if node.kind == "leaf" else set()
        return {key for key in tails if self.graph.nodes[key].is_step}

    def goes_on(self, strip: list[Fold], child: Fold) -> bool:
        """Whether a step is of the same call of an optimizer as those before it: of the same line, and none is made of
        another.
        """
        steps = {each.key: self.graph.nodes[each.key] for each in strip}
        if self.graph.nodes[child.key].kind == "leaf":
            return bool(self.steps_before(child) & steps.keys())
        first = next(node for node in steps.values() if node.is_step)
        node = self.graph.nodes[child.key]
        again = any(edge.tail in steps and steps[edge.tail].is_step for edge in self.graph.in_edges(child.key))
        return (node.op, node.source) == (first.op, first.source) and not again

    def is_only_for_steps(self, child: Fold) -> bool:
        """Whether this is a gradient or a parameter that an optimizer alone reads, or made of such for it alone."""
        return child.kind == NODE and child.key in self.for_steps

    def strip_of(self, steps: list[Fold]) -> list[Fold]:
        """Steps as one, and what only they read."""
        made = [node for step in steps if (node := self.graph.nodes[step.key]).is_step]
        if len(made) < 2:
            return steps
        place, called = made[0].statement, made[0].op or ""
        name = called if place is None else self.graph.statements[place].text or called
        strip = self.folded(Scope(STEPS, -1, name, (name,), called), steps, len(made))
        return [replace(strip, structure=self.structure((STEPS, name, called)))]  # the first has more to set up

    def repeated(self, children: list[Fold], start: int, period: int, copies: int) -> list[Fold]:
        """Children that stand alone, or so many copies of so many as one fold."""
        run = children[start : start + period * copies]
        rounds = [run[i : i + period] for i in range(0, len(run), period)]
        if copies < 2 or not is_repeat(rounds):
            return run
        each = [self.round(parts) for parts in rounds]
        count = sum(child.operations for child in run)
        what = (REPEAT, each[0].structure, copies)
        name, called = each[0].name, each[0].called
        made = Fold(REPEAT, name, tuple(each), called=called, structure=self.structure(what), operations=count)
        like = self.structure((REPEAT, each[0].likeness, "like"))
        return [replace(made, likeness=like, lives=any(child.lives for child in run))]

    def round(self, parts: list[Fold]) -> Fold:
        """One time around a loop."""
        if len(parts) == 1:
            return parts[0]
        main = max(parts, key=lambda part: (part.operations, part.size))
        named = next((part for part in reversed(parts) if part.kind == NODE and part.names), main)
        scope = Scope(ROUND, -1, main.name if main.kind != NODE else named.name, main.names, main.called)
        return self.folded(scope, in_chains(parts), sum(part.operations for part in parts))


def likenesses(children: Iterable[Fold]) -> Iterator[int]:
    """What the children are like, without what stands there again."""
    before = 0
    for child in children:
        if child.likeness != before:
            yield child.likeness
        before = child.likeness


def nodes_in(open_fold: Open) -> Iterator[str]:
    """The keys of all nodes below a fold."""
    waiting: list[str | Open] = [open_fold]
    while waiting:
        here = waiting.pop()
        if isinstance(here, str):
            yield here
        else:
            waiting += here.parts


def folds_in(root: Open) -> Iterator[Open]:
    """A fold and all below it, what is above first."""
    waiting = [root]
    while waiting:
        here = waiting.pop()
        yield here
        waiting += [part for part in here.parts if isinstance(part, Open)]


def is_given(node: Node) -> bool:
    """Whether a source is what the user gave the program, rather than a parameter of a module or a number."""
    return node.name is not None and "." not in node.name


def is_live(node: Node) -> bool:
    """Whether a node computes something that takes a gradient."""
    return node.requires_grad and node.kind != "leaf"


def is_tensor_of_module(node: Node) -> bool:
    """Whether a source may be a parameter or a buffer, rather than what the user gave the program, or a number."""
    return not is_given(node) and (node.kind == "leaf" or node.ports[0].shape != ())


def local_name(name: str) -> str:
    """A name without what is around it, and without its number: "layers.#" of "model.layers.3"."""
    steps = ["#" if step.isdigit() else step for step in name.split(".")]
    return ".".join(steps[-2:] if steps[-1] == "#" else steps[-1:])


FEWEST = 3  # operations that are a repeat without being a module's or a function's


def is_repeat(rounds: list[list[Fold]]) -> bool:
    """Whether rounds that are built alike are to be one: those of modules, functions and steps, and operations of
    a loop.
    """
    if not any(part.operations for part in rounds[0]):
        return False
    return len(rounds) >= FEWEST or any(part.kind in (MODULE, FUNCTION, STEPS) for part in rounds[0])


def in_chains(children: Iterable[Fold]) -> list[Fold]:
    """Neighbours put together, as often as it takes to leave few."""
    found = list(children)
    while len(found) > MOST_ABREAST:
        groups = -(-len(found) // MOST_ABREAST)
        groups = min(groups, MOST_ABREAST) if len(found) <= MOST_ABREAST**2 else groups
        bounds = [len(found) * i // groups for i in range(groups + 1)]
        found = [chained(found[a:b]) for a, b in pairwise(bounds)]
    return found


def chained(parts: list[Fold]) -> Fold:
    """Neighbours as one fold."""
    if len(parts) == 1:
        return parts[0]
    main = max(parts, key=lambda part: part.operations)
    count = sum(part.operations for part in parts)
    lives = any(part.lives for part in parts)
    return Fold(CHAIN, main.name, tuple(parts), called=main.called, operations=count, lives=lives)


def numbered(root: Fold) -> Fold:
    """The tree with the places and sizes of its folds."""
    order = list(root.walk())
    size: dict[int, int] = {}
    for fold in reversed(order):
        size[id(fold)] = sum(size[id(child)] for child in fold.children) if fold.children else 1
    first: dict[int, int] = {id(root): 0}
    for fold in order:
        place = first[id(fold)]
        for child in fold.children:
            first[id(child)] = place
            place += size[id(child)]
    made: dict[int, Fold] = {}
    for fold in reversed(order):
        children = tuple([made[id(child)] for child in fold.children])
        made[id(fold)] = replace(fold, children=children, first=first[id(fold)], size=size[id(fold)])
    return made[id(root)]
