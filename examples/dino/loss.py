"""DINO's loss over crops: the student's view of every crop is held to the teacher's view of every other global."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F  # noqa: N812, the name that PyTorch's users know


class DINOLoss(nn.Module):
    """Cross-entropy from the teacher's sharpened, centred distribution to the student's, over all pairs of a global
    that the teacher saw and another crop that the student saw (Caron et al. 2021, algorithm 1)."""

    center: Tensor

    def __init__(
        self,
        prototypes: int,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.03,
        center_momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.center_momentum = center_momentum
        # A buffer: part of the state, so a resumed run centres as an unbroken one. NaN: no batch was seen.
        self.register_buffer("center", torch.full((1, prototypes), torch.nan))

    def forward(self, student: Tensor, teacher: Tensor, crops: int, global_crops: int) -> Tensor:
        """`student` is [crops * B, prototypes], `teacher` [global_crops * B, prototypes]; both crop by crop, globals
        first. The centre must be set."""
        students = F.log_softmax(student / self.student_temperature, dim=-1).chunk(crops)
        targets = F.softmax((teacher - self.center) / self.teacher_temperature, dim=-1).chunk(global_crops)
        terms = [
            -(target * predicted).sum(-1).mean()
            for seen_by_teacher, target in enumerate(targets)
            for seen_by_student, predicted in enumerate(students)
            if seen_by_student != seen_by_teacher
        ]
        return torch.stack(terms).mean()

    @torch.no_grad()
    def update_center(self, teacher: Tensor) -> None:
        """Moves the centre towards the mean of the teacher's outputs over all ranks: what keeps it from collapsing.
        It starts at the first batch's; from zero, the first steps would teach nothing but the centre."""
        mean = teacher.mean(dim=0, keepdim=True)
        if distributed.is_initialized():
            distributed.all_reduce(mean)
            mean /= distributed.get_world_size()
        started = bool(self.center.isfinite().all())
        self.center.copy_(self.center.lerp(mean, 1 - self.center_momentum) if started else mean)
