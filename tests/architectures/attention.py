"""Transformers."""

import math

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, WORDS = 16, 4, 23


def heads(x, count=HEADS):
    return x.unflatten(-1, (count, -1)).transpose(-2, -3)


def joined(x):
    return x.transpose(-2, -3).flatten(-2)


# ---- ViT ----


class ViTBlock(nn.Module):
    """Pre-norm, one matrix for q, k and v, and a small learned factor on each branch."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.scale1, self.scale2 = nn.Parameter(torch.full((WIDTH,), 0.1)), nn.Parameter(torch.full((WIDTH,), 0.1))

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(q, k, v)
        x = x + self.scale1 * self.proj(joined(seen))
        return x + self.scale2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    """Patches by a strided convolution, a class token, a table of positions."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, 17, WIDTH) * 0.02)
        self.blocks = nn.Sequential(ViTBlock(), ViTBlock())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


def vit():
    return ViT(), torch.randn(4, 3, 16, 16)


# ---- GPT-2 ----


class Conv1D(nn.Module):
    """GPT-2's linear layer: its weight is stored (in, out)."""

    def __init__(self, inner, outer):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inner, outer) * 0.02), nn.Parameter(torch.zeros(outer))

    def forward(self, x):
        flat = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return flat.view(*x.shape[:-1], -1)


class GPT2Block(nn.Module):
    """Causal attention written out, and the tanh form of GELU written out."""

    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn, self.c_proj = Conv1D(WIDTH, 3 * WIDTH), Conv1D(WIDTH, WIDTH)
        self.c_fc, self.c_out = Conv1D(WIDTH, 4 * WIDTH), Conv1D(4 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        q, k, v = (heads(part) for part in self.c_attn(self.ln_1(x)).split(WIDTH, 2))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        scores = scores.masked_fill(future, torch.finfo(scores.dtype).min)
        x = x + self.drop(self.c_proj(joined(self.drop(scores.softmax(-1)) @ v)))
        z = self.c_fc(self.ln_2(x))
        z = 0.5 * z * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * torch.pow(z, 3.0))))
        return x + self.drop(self.c_out(z))


class GPT2(nn.Module):
    """Learned positions, a tied head; its batch is a dict, its output has a loss."""

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, WIDTH), nn.Embedding(12, WIDTH)
        self.blocks, self.ln_f = nn.ModuleList([GPT2Block(), GPT2Block()]), nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, WORDS, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, input_ids, labels=None):
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.wte(input_ids) + self.wpe(positions)
        for block in self.blocks:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return {"loss": loss, "logits": logits}


def gpt2():
    tokens = torch.randint(0, WORDS, (4, 8))
    return GPT2(), {"input_ids": tokens, "labels": tokens.clone()}


# ---- Llama and Mixtral ----


class RMSNorm(nn.Module):
    """Written out, as model libraries do."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return self.weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


def rotated(x):
    """Rotary positions."""
    half = x.shape[-1] // 2
    speed = 1.0 / 10000 ** (torch.arange(half, device=x.device, dtype=x.dtype) / half)
    angle = torch.outer(torch.arange(x.shape[-2], device=x.device, dtype=x.dtype), speed)
    angle = torch.cat([angle, angle], -1)
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * angle.cos() + turned * angle.sin()


class GroupedAttention(nn.Module):
    """Four heads of queries share two of keys and values."""

    def __init__(self):
        super().__init__()
        self.q_proj, self.o_proj = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.k_proj, self.v_proj = nn.Linear(WIDTH, WIDTH // 2, bias=False), nn.Linear(WIDTH, WIDTH // 2, bias=False)

    def forward(self, x):
        q, k, v = rotated(heads(self.q_proj(x))), rotated(heads(self.k_proj(x), 2)), heads(self.v_proj(x), 2)
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        return self.o_proj(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))


class SwiGLU(nn.Module):
    """A gated perceptron."""

    def __init__(self):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(WIDTH, 40, bias=False), nn.Linear(WIDTH, 40, bias=False)
        self.down_proj = nn.Linear(40, WIDTH, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Experts(nn.Module):
    """Each token goes to two of four experts, whose weights lie in two stacks."""

    def __init__(self, count=4, chosen=2, inner=12):
        super().__init__()
        self.chosen, self.router = chosen, nn.Linear(WIDTH, count, bias=False)
        self.gate_up = nn.Parameter(torch.randn(count, 2 * inner, WIDTH) * 0.1)
        self.down = nn.Parameter(torch.randn(count, WIDTH, inner) * 0.1)

    def forward(self, x):
        flat = x.flatten(0, -2)
        share, expert = self.router(flat).softmax(-1).topk(self.chosen, -1)
        share = share / share.sum(-1, keepdim=True)
        out = torch.zeros_like(flat)
        for index in range(self.gate_up.shape[0]):
            token, place = torch.where(expert == index)
            if token.numel() == 0:
                continue
            gate, up = F.linear(flat[token], self.gate_up[index]).chunk(2, -1)
            seen = F.linear(F.silu(gate) * up, self.down[index])
            out.index_add_(0, token, seen * share[token, place, None])
        return out.view_as(x)


class Decoder(nn.Module):
    """Llama's blocks around whatever perceptron it is given."""

    def __init__(self, perceptron):
        super().__init__()
        self.embed_tokens, self.norm = nn.Embedding(WORDS, WIDTH), RMSNorm()
        self.attention = nn.ModuleList(GroupedAttention() for _ in range(2))
        self.mlp = nn.ModuleList(perceptron() for _ in range(2))
        self.norms = nn.ModuleList(RMSNorm() for _ in range(4))
        self.lm_head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, input_ids):
        x = self.embed_tokens(input_ids)
        for index, (attention, mlp) in enumerate(zip(self.attention, self.mlp, strict=True)):
            x = x + attention(self.norms[2 * index](x))
            x = x + mlp(self.norms[2 * index + 1](x))
        return self.lm_head(self.norm(x))


def llama():
    return Decoder(SwiGLU), {"input_ids": torch.randint(0, WORDS, (4, 8))}


def mixtral():
    return Decoder(Experts), torch.randint(0, WORDS, (4, 8))


# ---- T5 ----


class T5Attention(nn.Module):
    """No scale, no bias; the scores get a learned number for each distance."""

    def __init__(self):
        super().__init__()
        self.q, self.k = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.v, self.o = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x, memory, bias):
        scores = heads(self.q(x)) @ heads(self.k(memory)).transpose(-1, -2) + bias
        return self.o(joined(scores.softmax(-1) @ heads(self.v(memory))))


class T5Layer(nn.Module):
    """Attention to itself, to a memory if there is one, and a ReLU perceptron."""

    def __init__(self, *, crosses):
        super().__init__()
        self.own, self.cross = T5Attention(), T5Attention() if crosses else None
        self.norms = nn.ModuleList(RMSNorm() for _ in range(3 if crosses else 2))
        self.wi, self.wo = nn.Linear(WIDTH, 40, bias=False), nn.Linear(40, WIDTH, bias=False)

    def forward(self, x, bias, memory=None):
        inside = self.norms[0](x)
        x = x + self.own(inside, inside, bias)
        if self.cross is not None:
            x = x + self.cross(self.norms[1](x), memory, 0.0)
        return x + self.wo(F.relu(self.wi(self.norms[-1](x))))


class T5(nn.Module):
    """An encoder and a decoder with one embedding."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(WORDS, WIDTH)
        self.distance = nn.ModuleList(nn.Embedding(8, HEADS) for _ in range(2))
        self.encoder = nn.ModuleList(T5Layer(crosses=False) for _ in range(2))
        self.decoder = nn.ModuleList(T5Layer(crosses=True) for _ in range(2))
        self.norms = nn.ModuleList([RMSNorm(), RMSNorm()])
        self.lm_head = nn.Linear(WIDTH, WORDS, bias=False)

    def bias(self, table, length, device):
        places = torch.arange(length, device=device)
        return table((places[None] - places[:, None]).clamp(-4, 3) + 4).permute(2, 0, 1)[None]

    def forward(self, input_ids, decoder_input_ids):
        memory = self.shared(input_ids)
        bias = self.bias(self.distance[0], input_ids.shape[1], input_ids.device)
        for layer in self.encoder:
            memory = layer(memory, bias)
        memory = self.norms[0](memory)
        length = decoder_input_ids.shape[1]
        future = torch.full((length, length), -1e9, device=memory.device, dtype=memory.dtype).triu(1)
        bias = self.bias(self.distance[1], length, input_ids.device) + future
        x = self.shared(decoder_input_ids)
        for layer in self.decoder:
            x = layer(x, bias, memory)
        return self.lm_head(self.norms[1](x) * WIDTH**-0.5)


def t5():
    return T5(), {
        "input_ids": torch.randint(0, WORDS, (4, 8)),
        "decoder_input_ids": torch.randint(0, WORDS, (4, 6)),
    }


# ---- torch's own encoder, and low-rank updates ----


class EncoderClassifier(nn.Module):
    """``nn.TransformerEncoder``: packed q, k and v behind a function; a padding mask."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, dropout=0.1, activation="gelu", batch_first=True)
        self.table, self.encoder = nn.Embedding(WORDS, WIDTH, padding_idx=0), nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, tokens):
        seen = self.encoder(self.table(tokens), src_key_padding_mask=tokens == 0)
        return self.head(seen.mean(1))


def encoder_classifier():
    return EncoderClassifier(), torch.randint(1, WORDS, (4, 8))


class LoRA(nn.Module):
    """A frozen layer and a low-rank update beside it, whose second factor starts at zero."""

    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(requires_grad=False)
        self.lora_a = nn.Parameter(torch.randn(rank, base.in_features))
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + F.linear(F.linear(x, self.lora_a), self.lora_b) * 0.5


def lora():
    layers = [LoRA(nn.Linear(12, 32)), nn.SiLU(), LoRA(nn.Linear(32, 32)), nn.SiLU(), nn.Linear(32, 5)]
    return nn.Sequential(*layers), torch.randn(16, 12)
