"""[export], [serve] and [run]: what leaves, how it is served, and where things run."""

from typing import Literal

from pydantic import Field

from anadil.recipe.table import Table


class Export(Table):
    """The files that leave the project: a Hugging Face folder and GGUF files."""

    gguf: list[Literal["f32", "bf16", "q8_0", "q4_0", "q4_k"]] = Field(
        default=["q8_0"],
        description="GGUF files to write; 4 bits lose more than q8_0, q4_k less than q4_0 but it takes xllamacpp",
    )


class Serve(Table):
    """The chat service."""

    system_prompt: str = Field(default="", description="first message of every conversation; empty for none")
    max_new_tokens: int = Field(default=256, gt=0, description="longest answer, tokens")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 always takes the likeliest token")
    context_tokens: int = Field(default=1024, ge=64, description="longest conversation, tokens")


class Run(Table):
    """Where and how it runs; never part of a fingerprint."""

    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto takes the GPU where there is one")
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 for all cores")
    processes: int = Field(
        default=1, ge=0, description="processes on this machine that train together; 0 for one on each GPU"
    )
    shard: Literal["auto", "optimizer", "full"] = Field(
        default="auto",
        description="what processes divide among them: gradients and optimizer state, or the weights too; "
        "auto takes the first that fits",
    )
    micro_batch_tokens: int = Field(
        default=0, ge=0, description="tokens in one forward pass of a process; 0 for what fits in memory and is fast"
    )
    recompute: Literal["auto", "none", "half", "full"] = Field(
        default="auto",
        description="blocks whose activations are computed again in the backward pass, to save memory; auto: what fits",
    )
    kernels: Literal["auto", "torch", "liger"] = Field(
        default="auto",
        description="of the loss, and with liger of norms too; auto measures on the GPU and takes the faster",
    )
    compile: Literal["auto", "on", "off"] = Field(
        default="auto", description="whether torch compiles the blocks of the model; auto: on a GPU"
    )
    keep_checkpoints: int = Field(default=2, ge=1, description="newest checkpoints that are kept until a stage is done")
    report_to: list[Literal["tensorboard", "mlflow"]] = Field(
        default=[],
        description="where training also writes its log: <run>/tensorboard, and MLflow (MLFLOW_TRACKING_URI, else "
        "<run>/mlflow.db)",
    )
