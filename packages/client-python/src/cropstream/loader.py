"""The loader: what a trainer iterates."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._core.arrays import choose_framework
from ._core.connect import Settings, connect
from ._core.members import resolve_consumer, resolve_member
from ._core.output import Output, OutputOptions
from ._core.routes import resolve_relay
from ._core.run import RunInfo
from ._core.schedule import MAX_SAFE_INTEGER
from ._core.security import Security, Tls, resolve_security
from ._core.transport import Transport
from ._core.validation import integer, optional_integer, seconds, text
from .batch import Crops, split_crops, split_views
from .errors import SpecInvalid
from .state import LoaderState, check_state, make_state, parse_state

if TYPE_CHECKING:
    from .dinov2 import Dinov2Batches


class MultiCropLoader:
    """One rank's batches of a run, each once, in order.

    The loader is a cursor over the run's endless stream of steps: an iteration yields from where it stands to the end
    of an epoch; leave it early and the next one goes on there. The prefetch runs across epoch ends.

        with MultiCropLoader("localhost:7400") as loader:
            for batch in loader:
                train(batch["global_0"], batch["labels"])

    A batch is a dictionary (see `Batch`), or with `as_list` what DINO's own loader yields: `[g1, g2, l1, ...], labels`.

    Args:
        target: the coordinator, `host:port`.
        run: the name of an open run; by default the only open one.
        spec: instead of `run`: a run's spec as a mapping, as JSON text or as the path of a JSON or YAML file; opened if
            it is not open yet.
        state: instead of `run`: what `state_dict` gave. Opens its run, from the spec in it if need be, and goes on
            where it was.
        rank, world_size: by default those of torch.distributed, where it is initialised, or else RANK and WORLD_SIZE,
            or SLURM_PROCID and SLURM_NTASKS, or 0 and 1.
        replica: which of several processes that draw the same rank's batches (the GPUs of one model-parallel group).
        consumer: the training job's id: the same for all ranks of one job, another for another job on the same run. By
            default CROPSTREAM_CONSUMER, TORCHELASTIC_RUN_ID, SLURM_JOB_ID, or `default`.
        prefetch: steps that are held or on their way, the one awaited included; by default 4.
        prefetch_bytes: bytes that they may take, yielded batches not counted; by default 1 GiB, or one step if larger.
        start_step, end_step: global steps, the end exclusive.
        endless: one iteration goes on for ever instead of ending with the epoch.
        epoch_size: samples (of all ranks) that one iteration draws, in whole steps, wherever the dataset's epochs end.
        as_list: yield `([view, ...], labels)`; uint8 views come normalised as float32 unless `dtype` says otherwise.
        dtype: of the views: float32, float16 or bfloat16 normalises uint8 views by the recipe's mean and std, on the
            device; uint8 leaves them alone. By default dictionaries have what came over the wire.
        channels_last: views as [B, C, H, W] in `torch.channels_last` memory.
        exclude_fields: fields to leave out of batches.
        return_params: `_params` has each view's sampled parameters, as `view_params` says.
        device: where tensors go. With `pin_memory` the copy does not wait.
        pin_memory: receive into page-locked memory.
        framework: `torch` or `numpy`; by default PyTorch where it is installed.
        allow_uneven: accept slices that differ by one sample between ranks.
        takeover: end a live process that draws as this rank of this job.
        relay: how chunks come from the workers: `auto` dials each, and draws through the coordinator what cannot be
            reached; `always` draws all through the coordinator, `never` nothing. By default CROPSTREAM_RELAY, or
            `auto`.
        tls: TLS to the coordinator and to workers: True for certificates of the authorities that gRPC knows, or a `Tls`
            with files; by default CROPSTREAM_TLS, _CA, _CERT, _KEY and _SERVER_NAME, and without them none.
        token: what services want of their callers; by default CROPSTREAM_TOKEN, or the file CROPSTREAM_TOKEN_FILE.
        timeout: seconds: the longest wait for one batch. Keep it well below a collective's own timeout.

    Raises:
        SpecInvalid: an argument or the spec. Unreachable. TlsFailed, Unauthenticated: `tls`, `token`. RunNotFound,
        RunConflict: the name. RankOutOfRange, WorldIndivisible, UnevenTail, WorldMismatch, RankTaken: the rank in its
        world. WindowTooSmall: `prefetch_bytes` holds no step. StepOutOfRange. StateMismatch, FingerprintMismatch:
        `state`. LoaderForked: this process is a fork of one that had loaders. And what opening a run may raise
        (docs/errors.md).
    """

    def __init__(
        self,
        target: str,
        *,
        run: str | None = None,
        spec: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        state: Mapping[str, Any] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        replica: int = 0,
        consumer: str | None = None,
        prefetch: int | None = None,
        prefetch_bytes: int | None = None,
        start_step: int | None = None,
        end_step: int | None = None,
        endless: bool = False,
        epoch_size: int | None = None,
        as_list: bool = False,
        dtype: Any = None,
        channels_last: bool = False,
        exclude_fields: Sequence[str] = (),
        return_params: bool = False,
        device: Any = None,
        pin_memory: bool = False,
        framework: str | None = None,
        allow_uneven: bool = False,
        takeover: bool = False,
        relay: str | None = None,
        tls: bool | Tls | None = None,
        token: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        _check_sources(run=run, spec=spec, state=state, start_step=start_step)
        settings = Settings(
            run=None if run is None else text("run", run),
            spec=spec,
            state=None if state is None else parse_state(state),
            member=resolve_member(
                optional_integer("rank", rank, 0), optional_integer("world_size", world_size, 1), os.environ
            ),
            consumer=resolve_consumer(
                None if consumer is None else text("consumer", consumer),
                integer("replica", replica, 0),
                os.environ,
            ),
            prefetch=optional_integer("prefetch", prefetch, 1),
            prefetch_bytes=optional_integer("prefetch_bytes", prefetch_bytes, 1),
            start_step=optional_integer("start_step", start_step, 0),
            end_step=optional_integer("end_step", end_step, 0),
            epoch_size=optional_integer("epoch_size", epoch_size, 1),
            allow_uneven=allow_uneven,
            takeover=takeover,
            params=return_params,
            exclude_fields=_field_names(exclude_fields),
            relay=resolve_relay(relay, os.environ),
            timeout=seconds("timeout", timeout),
        )
        arrays = choose_framework(framework, device, pin_memory)
        transport = Transport(text("target", target), _checked(target, resolve_security(tls, token, os.environ)))
        try:
            connection = connect(settings, arrays, transport)
        except BaseException:
            transport.close()
            raise
        self._stream = connection.stream
        self._length = connection.length
        self._member = settings.member
        self._consumer = settings.consumer
        self._endless = endless
        self.run: RunInfo = connection.run
        """The run that it draws from."""
        try:
            options = OutputOptions(as_list, dtype, channels_last, return_params)
            self._output = Output(self.run, arrays, options)
            self._stream.start(settings.connect_limit)
        except BaseException:
            self._stream.close()
            raise
        # At the latest when the interpreter ends: its threads must not run into that.
        self._finalizer = weakref.finalize(self, self._stream.close)

    def __len__(self) -> int:
        """Batches of one epoch: the dataset's, or `epoch_size` / global batch."""
        return self._length

    def __iter__(self) -> Iterator[Any]:
        """The epoch's batches from here on, or batches without end under `endless`; up to `end_step` in either case.

        Raises StreamStalled or Unreachable after `timeout` without a batch: iterate again to go on waiting. What ended
        the attachment: Superseded, ChunkFailed, ... Cancelled once closed. LoaderForked in a fork of this process.
        """
        end = MAX_SAFE_INTEGER if self._endless else (self.epoch + 1) * self._length
        while self.global_step < end:
            batch = self._stream.next()
            if batch is None:
                return
            yield self._output(batch)

    @property
    def global_step(self) -> int:
        """The global step of the next batch: all before it were yielded."""
        return self._stream.next_step

    @property
    def epoch(self) -> int:
        """The epoch (of `len(loader)` batches) that the next batch belongs to."""
        return self._stream.next_step // self._length

    def set_epoch(self, epoch: int) -> None:
        """Goes to an epoch's first step. Within that epoch already (after a resume, say) the loader stays where it is,
        so that `for epoch in range(loader.epoch, epochs): loader.set_epoch(epoch); ...` resumes in mid-epoch.

        Raises SpecInvalid unless `epoch` is an integer of at least 0.
        """
        epoch = integer("epoch", epoch, 0)
        step = epoch * self._length
        if step > MAX_SAFE_INTEGER:
            raise SpecInvalid(field="epoch", value=epoch, allowed="one whose steps are below 2^53")
        if epoch != self.epoch:
            self._stream.seek(step)

    def state_dict(self) -> LoaderState:
        """Where the loader stands, as plain JSON: counts what was yielded, never what was prefetched. Costs nothing.

        In the body of a loop the batch in hand counts as yielded: save the state together with the model it trained.
        """
        return make_state(self.run, self._stream.next_step, self._consumer)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to where a saved state was. To open the state's run with it, give it to the constructor instead.

        Raises StateMismatch naming the field, FingerprintMismatch, SpecInvalid.
        """
        parsed = parse_state(state)
        check_state(parsed, self.run)
        self._stream.seek(parsed["global_step"])

    def split_crops(self, crops: Mapping[str, Any] | Sequence[Any]) -> Crops:
        """The globals and the locals of a batch, or of the list that `as_list=True` yields: `(globals, locals)`.

        As `cropstream.split_crops`; the list's views are in the spec's order.
        """
        if isinstance(crops, Mapping):
            return split_crops(crops)
        return split_views([view.name for view in self.run.views], crops)

    def as_dinov2(
        self,
        mask_ratio: tuple[float, float] = (0.1, 0.5),
        mask_probability: float = 0.5,
        patch_size: int = 14,
        *,
        dtype: Any = "float32",
    ) -> Dinov2Batches:
        """This loader's batches, collated with iBOT masks as DINOv2 does: see `cropstream.dinov2.as_dinov2`."""
        from .dinov2 import as_dinov2

        return as_dinov2(self, mask_ratio, mask_probability, patch_size, dtype=dtype)

    def close(self) -> None:
        """Detaches, and lets go of what is held. Whoever waits for a batch gets Cancelled."""
        self._finalizer()

    shutdown = close

    def __enter__(self) -> MultiCropLoader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError(
            "a MultiCropLoader cannot be pickled: its connections belong to this process. "
            "Open it in the process that draws from it."
        )

    # What training loops touch of a torch DataLoader.

    @property
    def batch_size(self) -> int:
        """Samples in this rank's batches: of the full ones, its largest."""
        return -(-self.run.global_batch_size // self._member.world_size)

    @property
    def drop_last(self) -> bool:
        return self.run.drop_last

    @property
    def dataset(self) -> DatasetInfo:
        return DatasetInfo(self.run)

    @property
    def sampler(self) -> EpochSampler:
        return EpochSampler(self)

    @property
    def rank(self) -> int:
        return self._member.rank

    @property
    def world_size(self) -> int:
        return self._member.world_size


class DatasetInfo:
    """What loops ask of `loader.dataset`: its length and classes. The samples are with the service."""

    def __init__(self, run: RunInfo) -> None:
        self._samples = run.samples
        self.classes = list(run.classes)
        self.class_to_idx = {name: index for index, name in enumerate(run.classes)}

    def __len__(self) -> int:
        return self._samples


class EpochSampler:
    """What loops ask of `loader.sampler`."""

    def __init__(self, loader: MultiCropLoader) -> None:
        self._loader = loader

    def set_epoch(self, epoch: int) -> None:
        self._loader.set_epoch(epoch)

    def __len__(self) -> int:
        """Samples that this rank draws in an epoch, to a batch."""
        return len(self._loader) * self._loader.batch_size


def _check_sources(*, run: object, spec: object, state: object, start_step: object) -> None:
    chosen = [name for name, value in (("run", run), ("spec", spec), ("state", state)) if value is not None]
    if len(chosen) > 1:
        raise SpecInvalid(field="run", value=" and ".join(chosen), allowed="one of run, spec and state")
    if state is not None and start_step is not None:
        allowed = "nothing beside state, which says where to go on"
        raise SpecInvalid(field="start_step", value=str(start_step), allowed=allowed)


def _checked(target: str, security: Security) -> Security:
    if security.token_in_clear(target):
        message = f"the token for {target} travels without TLS: whoever sees the traffic learns it (docs/security.md)"
        warnings.warn(message, stacklevel=3)
    return security


def _field_names(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise SpecInvalid(field="exclude_fields", value=names, allowed="a sequence of names")
    return tuple(text("exclude_fields", name) for name in names)
