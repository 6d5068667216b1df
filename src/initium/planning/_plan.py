"""The plan: a value that can be read, compared, saved, and applied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from initium.errors import ArgumentTypeError, PlanError, UnknownNameError
from initium.planning import _apply, _json, _show
from initium.planning._diff import PlanDiff, differences

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from torch import nn

    from initium.planning._journal import Undo
    from initium.records import PlanRow, Receipt


@final
@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """Which law is written into every parameter of a network, and why.

    Printed, it is a table. It holds no tensor: it can be saved, reviewed, compared, and applied to any model with
    the same parameters.

    Attributes:
        scheme: The scheme that it was made by.
        title: The type name of the model.
        rows: One row for every parameter.
        notes: Everything unknown, guessed or left alone.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> from initium.planning import plan
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        >>> made = plan(read(net))
        >>> made
        Plan(textbook for Sequential: 4 parameters, 0 kept)
        >>> made["0.weight"].reason
        'relu follows: He et al. 2015 eq. 10'
    """

    scheme: str
    title: str
    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> PlanRow:
        """The row of a parameter, by any of its names."""
        for row in self.rows:
            if name in row.names:
                return row
        raise UnknownNameError(_show.unknown_parameter(name, self.rows))

    def __iter__(self) -> Iterator[PlanRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return _show.shown(self.scheme, self.title, self.rows, self.notes)

    def __repr__(self) -> str:
        return _show.summary(self.scheme, self.title, self.rows)

    def apply(self, model: nn.Module, seed: int = 0, *, undo: Undo = True) -> Receipt:
        """Writes the plan into a model: all of it, or, on any error, nothing.

        The values of a parameter are a function of the seed, its name and the index alone: the same seed gives the same
        weights on any device, in any order, whatever other layers exist. No global generator is read or moved.
        Gradients, hooks, ``requires_grad``, buffers and the training mode stay as they are.

        Args:
            model: A module with exactly the plan's parameters, floating or complex, on a device with memory.
            seed: An integer in [0, 2**128).
            undo: Where all that is overwritten is kept until the call has succeeded. ``True``: in a temporary file without a
                name, which takes no memory; in memory where no disk has room, or where it is little. ``"memory"``: there,
                as much again as those weights. ``False``, for a model whose values are worth nothing yet: nowhere; a call
                that fails half-way then leaves it half written. See :func:`all_or_nothing`.

        Returns:
            What was done, parameter by parameter, with the plan's notes.

        Raises:
            PlanError: The plan does not fit the model: names, shapes, ties; or a parameter that is to be written is
                frozen, computed by a parametrisation, on ``meta``, not floating, or has no elements.
            ArgumentError: A seed out of range.
            ArgumentTypeError: The model is no module, or the seed no integer.

        Example:
            >>> import torch
            >>> from initium.network import read
            >>> from initium.planning import plan
            >>> net = torch.nn.Linear(3, 4)
            >>> receipt = plan(read(net), "he_normal").apply(net, seed=0)
            >>> receipt.action, receipt.seed, receipt.rows[1].after
            ('apply he_normal', 0, 0.0)
        """
        return _apply.apply(self.rows, self.notes, f"apply {self.scheme}", model, seed, undo=undo)

    def diff(self, other: Plan) -> PlanDiff:
        """What differs between this plan and another, parameter by parameter.

        Args:
            other: The plan to compare with.

        Returns:
            The differences; empty, and false, where the plans write the same.

        Raises:
            ArgumentTypeError: The other is no plan.

        Example:
            >>> import torch
            >>> from initium.network import read
            >>> from initium.planning import plan
            >>> network = read(torch.nn.Linear(3, 4))
            >>> [change.what for change in plan(network, "he_normal").diff(plan(network, "glorot_normal"))]
            ['law', 'std']
        """
        if not isinstance(other, Plan):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
            raise ArgumentTypeError(
                f"a plan is compared with a plan; got {type(other).__name__}. Read a saved one by Plan.load(path), or make "
                "one by initium.plan(model, batch)."
            )
        return PlanDiff(tuple(differences(self.rows, other.rows)))

    def to_json(self) -> str:
        """The plan as JSON text; the inverse of :meth:`from_json`.

        Returns:
            The text, with the version of its schema.

        Example:
            >>> '"version": 1' in Plan("textbook", "Empty", ()).to_json()
            True
        """
        return _json.dumped(self.scheme, self.title, self.rows, self.notes)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that :meth:`to_json` wrote.

        Args:
            text: JSON text.

        Returns:
            The plan.

        Raises:
            PlanError: The text is broken, or of another version.

        Example:
            >>> empty = Plan("textbook", "Empty", ())
            >>> Plan.from_json(empty.to_json()) == empty
            True
        """
        return cls(*_json.parsed(text))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the plan to a JSON file.

        Args:
            path: Where to.

        Raises:
            OSError: It cannot be written there; for a missing folder a ``FileNotFoundError``.
        """
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Reads a plan from a JSON file.

        Args:
            path: What :meth:`save` wrote.

        Returns:
            The plan.

        Raises:
            PlanError: The file is broken, or of another version; the message names it.
            OSError: It cannot be read; for a missing file a ``FileNotFoundError``.
        """
        try:
            return cls.from_json(Path(path).read_bytes().decode("utf-8"))
        except (PlanError, UnicodeDecodeError) as error:
            raise PlanError(f"{path}: {error}") from error
