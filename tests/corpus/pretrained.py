"""The models of transformers with random numbers, as small as their configurations allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from corpus.making import Entries, Made, fixed, ids, made
from needed_tools import needs_package

Inputs = Callable[[], dict[str, Any]]
# sizes, as most configurations call them
SIZES = {
    "vocab_size": 11,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 6,
}
SHORT = {"max_position_embeddings": 16, "pad_token_id": 0}
KEYS = {"num_key_value_heads": 1, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
HALVES = {**KEYS, "head_dim": 2}
WHOLE = {**KEYS, "partial_rotary_factor": 1.0}
CHOICE = {"num_experts": 3, "num_experts_per_tok": 2, "intermediate_size": 8}
LOCAL = {"num_local_experts": 3, "num_experts_per_tok": 2, "intermediate_size": 8}
BOTH = {
    "vocab_size": 11,
    "d_model": 4,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 6,
    "decoder_ffn_dim": 6,
}
PATCHES = {"image_size": 4, "patch_size": 2, "num_labels": 2}
WAVES = {
    "vocab_size": 6,
    "conv_dim": (4, 4),
    "conv_stride": (2, 2),
    "conv_kernel": (3, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 2,
    "num_conv_pos_embedding_groups": 1,
    "mask_time_prob": 0.0,
    "layerdrop": 0.0,
}
LOOKS = {name: size for name, size in {**SIZES, **PATCHES}.items() if name not in ("vocab_size", "num_labels")}
READS = {**SIZES, "max_position_embeddings": 8}


def words() -> dict[str, Any]:
    tokens = ids([1, 5, 2, 7])
    return {"input_ids": tokens, "labels": tokens}


def image(size: int, batch: int = 1) -> dict[str, Any]:
    return {"pixel_values": fixed(batch, 3, size, size), "labels": torch.arange(batch) % 2}


def sound() -> dict[str, Any]:
    return {"input_values": fixed(1, 32), "labels": ids([1, 2])}


def pairs() -> dict[str, Any]:
    return {"input_ids": ids([1, 5, 10], [2, 3, 10]), "pixel_values": fixed(2, 3, 4, 4), "return_loss": True}


def video() -> dict[str, Any]:
    return {"pixel_values": fixed(1, 2, 3, 4, 4), "labels": torch.tensor([1])}


def of(model: str, config: str, inputs: Inputs, **options: Any) -> Made:
    """A model that is told nothing but its sizes; skips where this release has no such."""
    transformers = needs_package("transformers")
    if not hasattr(transformers, model):
        pytest.skip(f"needs a transformers with {model}")
    return made(getattr(transformers, model)(getattr(transformers, config)(**options)), **inputs())


def masked(name: str, **options: Any) -> Callable[[], Made]:
    """A model of the usual sizes that fills in words."""
    return partial(of, f"{name}ForMaskedLM", f"{name}Config", words, **{**SIZES, **options})


def causal(name: str, **options: Any) -> Callable[[], Made]:
    """One that continues a text."""
    return partial(of, f"{name}ForCausalLM", f"{name}Config", words, **{**SIZES, **options})


def other(model: str, config: str, inputs: Inputs = words, **options: Any) -> Callable[[], Made]:
    """One that calls its sizes otherwise."""
    return partial(of, model, f"{config}Config", inputs, **options)


def seen(name: str, size: int = 4, batch: int = 1, **options: Any) -> Callable[[], Made]:
    """One that classifies pictures."""
    labelled = {"num_labels": 2, **options}
    return partial(of, f"{name}ForImageClassification", f"{name}Config", partial(image, size, batch), **labelled)


GPT = {"vocab_size": 11, "n_positions": 8, "n_embd": 4, "n_layer": 1, "n_head": 2}
ENTRIES: Entries = {
    # encoders
    "BERT": masked("Bert", **SHORT),
    "RoBERTa": masked("Roberta", **SHORT),
    "DistilBERT": other(
        "DistilBertForMaskedLM", "DistilBert", vocab_size=11, dim=4, n_layers=1, n_heads=2, hidden_dim=6,
        max_position_embeddings=8
    ),
    "ALBERT": masked("Albert", embedding_size=3, **SHORT),
    "ELECTRA": masked("Electra", embedding_size=3, **SHORT),
    "MPNet": masked("MPNet", **SHORT),
    "DeBERTa": masked("DebertaV2", **SHORT, relative_attention=True, position_buckets=2, pos_att_type=["p2c", "c2p"]),
    "ModernBERT": masked("ModernBert", **SHORT),
    "FNet": masked("FNet", **SHORT),
    "ConvBERT": masked("ConvBert", embedding_size=4, head_ratio=1, conv_kernel_size=3, **SHORT),
    "SqueezeBERT": masked(
        "SqueezeBert", embedding_size=4, **{f"{p}_groups": 2 for p in ("q", "k", "v", "post_attention",
        "intermediate", "output")}, **SHORT
    ),
    "MobileBERT": masked("MobileBert", embedding_size=4, intra_bottleneck_size=4, true_hidden_size=4, **SHORT),
    "RoFormer": masked("RoFormer", embedding_size=4, **SHORT),
    "Nystromformer": masked("Nystromformer", segment_means_seq_len=4, num_landmarks=2, conv_kernel_size=3, **SHORT),
    "BigBird": masked("BigBird", attention_type="original_full", **SHORT),
    "ESM": masked("Esm", mask_token_id=3, position_embedding_type="rotary", **SHORT),
    "Funnel": other(
        "FunnelForMaskedLM", "Funnel", vocab_size=11, d_model=4, n_head=2, d_head=2, d_inner=6, block_sizes=[1, 1],
        num_decoder_layers=1
    ),
    "XLNet": other("XLNetLMHeadModel", "XLNet", vocab_size=11, d_model=4, n_layer=1, n_head=2, d_inner=6),
    "LayoutLM": masked("LayoutLM", max_2d_position_embeddings=8, **SHORT),
    "TAPAS": masked("Tapas", type_vocab_sizes=[2] * 7, **SHORT),
    # decoders
    "GPT-2": other("GPT2LMHeadModel", "GPT2", **GPT),
    "GPT-Neo": other(
        "GPTNeoForCausalLM", "GPTNeo", vocab_size=11, hidden_size=4, num_layers=2, num_heads=2, intermediate_size=6,
        window_size=2,
        attention_types=[[["global", "local"], 1]], max_position_embeddings=8,
    ),
    "GPT-NeoX": causal("GPTNeoX", rotary_pct=1.0, max_position_embeddings=8),
    "GPT-J": other("GPTJForCausalLM", "GPTJ", **GPT, rotary_dim=2),
    "CodeGen": other("CodeGenForCausalLM", "CodeGen", **{**GPT, "n_embd": 8, "n_head": 4}, rotary_dim=2),
    "OPT": other(
        "OPTForCausalLM", "OPT", vocab_size=11, hidden_size=4, num_hidden_layers=1, num_attention_heads=2, ffn_dim=6,
        word_embed_proj_dim=4, max_position_embeddings=8,
    ),
    "BLOOM": other("BloomForCausalLM", "Bloom", vocab_size=11, hidden_size=4, n_layer=1, n_head=2),
    "MPT": other("MptForCausalLM", "Mpt", vocab_size=11, d_model=4, n_layers=1, n_heads=2, max_seq_len=8),
    "Falcon": causal("Falcon"),
    "BioGPT": causal("BioGpt", max_position_embeddings=16),
    "XGLM": other("XGLMForCausalLM", "XGLM", vocab_size=11, d_model=4, num_layers=1, attention_heads=2, ffn_dim=6,
        max_position_embeddings=8),
    "Llama": causal("Llama", **KEYS),
    "Mistral": causal("Mistral", **KEYS, sliding_window=2),
    "Qwen2": causal("Qwen2", **KEYS),
    "Qwen3": causal("Qwen3", **HALVES),
    "Gemma": causal("Gemma", **HALVES),
    "Gemma 2": causal("Gemma2", **HALVES),
    "Gemma 3": other("Gemma3ForCausalLM", "Gemma3Text", **SIZES, **HALVES),
    "Phi": causal("Phi", **WHOLE),
    "Phi-3": causal("Phi3", **KEYS),
    "OLMo": causal("Olmo", **KEYS),
    "OLMo 2": causal("Olmo2", **KEYS),
    "Cohere": causal("Cohere", **KEYS),
    "StableLM": causal("StableLm", **WHOLE),
    "StarCoder 2": causal("Starcoder2", **KEYS),
    "Granite": causal("Granite", **KEYS),
    "GLM": causal("Glm", **HALVES),
    "Nemotron": causal("Nemotron", **KEYS),
    "Persimmon": causal("Persimmon", pad_token_id=0, bos_token_id=1, eos_token_id=2, partial_rotary_factor=1.0),
    # experts
    "Mixtral": causal("Mixtral", **KEYS, **LOCAL),
    "OLMoE": causal("Olmoe", **KEYS, **CHOICE),
    "Qwen2-MoE": causal("Qwen2Moe", **KEYS, **CHOICE, moe_intermediate_size=4, shared_expert_intermediate_size=4),
    "Qwen3-MoE": causal("Qwen3Moe", **HALVES, **CHOICE, moe_intermediate_size=4),
    "PhiMoE": causal("Phimoe", **KEYS, **LOCAL),
    "GraniteMoE": causal("GraniteMoe", **KEYS, **LOCAL),
    "DeepSeek-V3": causal(
        "DeepseekV3", pad_token_id=0, num_key_value_heads=2, q_lora_rank=3, kv_lora_rank=3, qk_rope_head_dim=2,
        qk_nope_head_dim=2,
        v_head_dim=2, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, n_group=2, topk_group=1,
        first_k_dense_replace=0,
        moe_intermediate_size=4,
    ),
    "GPT-OSS": causal("GptOss", **HALVES, **LOCAL),
    # state spaces
    "Mamba": causal("Mamba", state_size=2, conv_kernel=2, time_step_rank=2),
    "Mamba 2": other(
        "Mamba2ForCausalLM", "Mamba2", vocab_size=11, hidden_size=4, num_hidden_layers=1, num_heads=4, head_dim=2,
        state_size=2,
        n_groups=1, conv_kernel=2, chunk_size=2,
    ),
    "RWKV": other(
        "RwkvForCausalLM", "Rwkv", vocab_size=11, hidden_size=4, num_hidden_layers=2, attention_hidden_size=4,
        intermediate_size=6,
        context_length=8,
    ),
    "RecurrentGemma": causal(
        "RecurrentGemma", num_hidden_layers=3, num_key_value_heads=1, lru_width=4, attention_window_size=4,
        head_dim=2, pad_token_id=0
    ),
    "Jamba": causal(
        "Jamba", **{**KEYS, "num_hidden_layers": 2, "intermediate_size": 8}, num_experts=2, attn_layer_period=2,
        attn_layer_offset=1,
        expert_layer_period=2, expert_layer_offset=1, mamba_d_state=2, mamba_dt_rank=2, mamba_d_conv=2,
        use_mamba_kernels=False,
    ),
    # encoders with decoders
    "T5": other("T5ForConditionalGeneration", "T5", vocab_size=11, d_model=4, d_kv=2, d_ff=6, num_layers=1,
        num_heads=2, decoder_start_token_id=0),
    "BART": other("BartForConditionalGeneration", "Bart", **BOTH, max_position_embeddings=8),
    "Pegasus": other("PegasusForConditionalGeneration", "Pegasus", **BOTH, max_position_embeddings=8),
    "Switch": other(
        "SwitchTransformersForConditionalGeneration", "SwitchTransformers", vocab_size=11, d_model=4, d_kv=2, d_ff=6,
        num_layers=1,
        num_sparse_encoder_layers=1, num_decoder_layers=1, num_sparse_decoder_layers=1, num_heads=2, num_experts=2,
        decoder_start_token_id=0,
    ),
    "ProphetNet": other(
        "ProphetNetForConditionalGeneration", "ProphetNet", vocab_size=11, hidden_size=4, encoder_ffn_dim=6,
        decoder_ffn_dim=6,
        num_encoder_layers=1, num_decoder_layers=1, num_encoder_attention_heads=2, num_decoder_attention_heads=2,
        max_position_embeddings=16, decoder_start_token_id=0,
    ),
    # pictures
    "ViT": seen("ViT", **LOOKS),
    "DeiT": seen("DeiT", **LOOKS),
    "BEiT": seen("Beit", **LOOKS, out_indices=[1]),
    "DINOv2": seen("Dinov2", **{name: size for name, size in LOOKS.items() if name != "intermediate_size"}),
    "Swin": seen("Swin", 8, embed_dim=4, depths=[1, 1], num_heads=[1, 2], window_size=2, image_size=8, patch_size=2),
    "Swin without a head": other(
        "MaskFormerSwinModel", "MaskFormerSwin", lambda: {"pixel_values": fixed(1, 3, 4, 4)}, embed_dim=4, depths=[1],
        num_heads=[2],
        window_size=2, image_size=4, patch_size=2,
    ),
    "ConvNeXT": seen("ConvNext", 8, hidden_sizes=[4, 4], depths=[1, 1], num_stages=2, patch_size=2, image_size=8),
    "ResNet": seen("ResNet", 8, 2, embedding_size=4, hidden_sizes=[4, 4], depths=[1, 1], layer_type="basic"),
    "RegNet": seen("RegNet", 8, 2, embedding_size=4, hidden_sizes=[4, 4], depths=[1, 1], groups_width=2),
    "PoolFormer": seen("PoolFormer", 8, hidden_sizes=[4] * 4, depths=[1] * 4, patch_sizes=[3] * 4, strides=[2, 1, 1,
        1], padding=[1] * 4),
    "SegFormer": seen(
        "Segformer", 8, num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[4, 4], patch_sizes=[3,
        3], strides=[2, 2],
        num_attention_heads=[1, 2], mlp_ratios=[1, 1],
    ),
    "FocalNet": seen(
        "FocalNet", 8, image_size=8, patch_size=2, embed_dim=4, hidden_sizes=[4, 4], depths=[1, 1], focal_levels=[1,
        1], focal_windows=[3, 3]
    ),
    "ViT-MAE": other(
        "ViTMAEForPreTraining", "ViTMAE", lambda: {"pixel_values": fixed(1, 3, 4, 4)}, **LOOKS, decoder_hidden_size=4,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=6,
    ),
    "TimeSformer": other("TimesformerForVideoClassification", "Timesformer", video, **LOOKS, num_frames=2,
        num_labels=2),
    "VideoMAE": other("VideoMAEForVideoClassification", "VideoMAE", video, **LOOKS, num_frames=2, tubelet_size=2,
        num_labels=2),
    # pictures with words
    "CLIP": other(
        "CLIPModel", "CLIP", pairs, text_config={**READS, "projection_dim": 4, "eos_token_id": 10},
        vision_config=LOOKS, projection_dim=4
    ),
    "SigLIP": other("SiglipModel", "Siglip", pairs, text_config={**READS, "projection_size": 4}, vision_config=LOOKS),
    "GIT": other("GitForCausalLM", "Git", lambda: {**words(), "pixel_values": fixed(1, 3, 4, 4)}, **READS,
        vision_config=LOOKS),
    "ViLT": other(
        "ViltForQuestionAnswering", "Vilt",
        lambda: {"input_ids": ids([1, 5, 2]), "pixel_values": fixed(1, 3, 4, 4), "labels": torch.rand(1, 2)},
        **READS, **PATCHES, max_image_length=-1,
    ),
    # sounds
    "Wav2Vec2": other("Wav2Vec2ForCTC", "Wav2Vec2", sound, **{**SIZES, **WAVES}),
    "HuBERT": other("HubertForCTC", "Hubert", sound, **{**SIZES, **WAVES}),
    "WavLM": other("WavLMForCTC", "WavLM", sound, **{**SIZES, **WAVES}, num_buckets=4, max_bucket_distance=8),
    "Whisper": other(
        "WhisperForConditionalGeneration", "Whisper", lambda: {"input_features": fixed(1, 3, 8), "labels": ids([1, 3,
        2])}, **BOTH,
        num_mel_bins=3, max_source_positions=4, max_target_positions=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    ),
    "Speech2Text": other(
        "Speech2TextForConditionalGeneration", "Speech2Text", lambda: {"input_features": fixed(1, 8, 2),
        "labels": ids([1, 3, 2])}, **BOTH,
        conv_channels=4, input_feat_per_channel=2, max_source_positions=8, max_target_positions=8,
    ),
    "AST": other(
        "ASTForAudioClassification", "AST", lambda: {"input_values": fixed(1, 4, 4), "labels": torch.tensor([1])},
        **{**LOOKS, "num_labels": 2}, frequency_stride=2, time_stride=2, max_length=4, num_mel_bins=4,
    ),
    "EnCodec": other(
        "EncodecModel", "Encodec", lambda: {"input_values": fixed(1, 1, 16)}, target_bandwidths=[1.5],
        sampling_rate=1600, num_filters=2,
        hidden_size=4, codebook_size=4, codebook_dim=4, upsampling_ratios=[2, 2], num_residual_layers=1,
        num_lstm_layers=1, kernel_size=3,
        last_kernel_size=3,
    ),
    "UnivNet": other(
        "UnivNetModel", "UnivNet", lambda: {"input_features": fixed(1, 4, 2)}, model_in_channels=2,
        model_hidden_channels=2,
        num_mel_bins=2, resblock_kernel_sizes=[3], resblock_stride_sizes=[2], resblock_dilation_sizes=[[1]],
        kernel_predictor_num_blocks=1, kernel_predictor_hidden_channels=2, kernel_predictor_conv_size=3,
    ),
    "HiFi-GAN": other(
        "SpeechT5HifiGan", "SpeechT5HifiGan", lambda: {"spectrogram": fixed(1, 3, 2)}, model_in_dim=2,
        upsample_initial_channel=4,
        upsample_rates=[2], upsample_kernel_sizes=[4], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]],
    ),
    # series and decisions
    "PatchTST": other(
        "PatchTSTForPrediction", "PatchTST", lambda: {"past_values": fixed(1, 8, 1), "future_values": fixed(1, 2, 1)},
        num_input_channels=1, context_length=8, patch_length=4, patch_stride=4, d_model=4, num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=6, prediction_length=2,
    ),
    "decision transformer": other(
        "DecisionTransformerModel", "DecisionTransformer",
        lambda: {"states": fixed(1, 2, 2), "actions": fixed(1, 2, 2), "rewards": fixed(1, 2, 1),
        "returns_to_go": fixed(1, 2, 1),
                 "timesteps": ids([0, 1]), "attention_mask": torch.ones(1, 2)},
        state_dim=2, act_dim=2, hidden_size=4, n_layer=1, n_head=2, max_ep_len=8, n_positions=16,
    ),
    "Perceiver": other(
        "PerceiverForMaskedLM", "Perceiver", lambda: {"inputs": ids([1, 5, 2, 7]), "labels": ids([1, 5, 2, 7])},
        vocab_size=11, num_latents=2,
        d_latents=8, d_model=8, num_blocks=1, num_self_attends_per_block=1, num_self_attention_heads=2,
        num_cross_attention_heads=2,
        qk_channels=8, v_channels=8, max_position_embeddings=4,
    ),
}  # fmt: skip
