"""Convolutional networks."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two convolutions and the way around them."""

    def __init__(self, inner, outer, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer)
        self.conv2, self.bn2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x):
        around = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += around
        return self.relu(out)


def resnet():
    stem = [nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    body = [Block(8, 8, 1), Block(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)]
    return nn.Sequential(*stem, *body), torch.randn(4, 3, 24, 24)


class SqueezeExcite(nn.Module):
    """A gate for every channel from the mean of all."""

    def __init__(self, width):
        super().__init__()
        self.down, self.up = nn.Conv2d(width, width // 4, 1), nn.Conv2d(width // 4, width, 1)

    def forward(self, x):
        mean = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.up(F.relu(self.down(mean), inplace=True)))


class Inverted(nn.Module):
    """Widen, convolve every channel by itself, gate, narrow."""

    def __init__(self, width, stride):
        super().__init__()
        wide = 4 * width
        self.expand, self.bn1 = nn.Conv2d(width, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.depth = nn.Conv2d(wide, wide, 5, stride, 2, groups=wide, bias=False)
        self.bn2, self.gate = nn.BatchNorm2d(wide), SqueezeExcite(wide)
        self.project, self.bn3 = nn.Conv2d(wide, width, 1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        wide = F.hardswish(self.bn1(self.expand(x)))
        wide = self.gate(F.hardswish(self.bn2(self.depth(wide))))
        narrow = self.bn3(self.project(wide))
        return narrow + x if narrow.shape == x.shape else narrow


def mobilenet():
    stem = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(inplace=True)]
    body = [Inverted(8, 1), Inverted(8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)]
    return nn.Sequential(*stem, *body), torch.randn(4, 3, 24, 24)


class UNet(nn.Module):
    """Down, up by transposed convolutions, and skips joined on the way."""

    def __init__(self):
        super().__init__()
        self.enter, self.down = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 4, 2, 1)
        self.deep = nn.Conv2d(16, 16, 3, padding="same", groups=4, padding_mode="circular")
        self.up, self.join = nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.Conv2d(16, 8, 3, padding=1)
        self.norm, self.out = nn.GroupNorm(2, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        high = F.leaky_relu(self.enter(x), 0.2)
        low = F.leaky_relu(self.down(high), 0.2)
        low = F.leaky_relu(self.deep(low), 0.2, inplace=True)
        joined = torch.cat([high, F.leaky_relu(self.up(low), 0.2)], 1)
        return self.out(F.leaky_relu(self.norm(self.join(joined)), 0.2))


def unet():
    return UNet(), torch.randn(4, 1, 16, 16)


class Dense(nn.Module):
    """Every layer reads all that came before it."""

    def __init__(self, width, growth, depth):
        super().__init__()
        sizes = [width + growth * index for index in range(depth)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes)
        self.convs = nn.ModuleList(nn.Conv2d(size, growth, 3, padding=1, bias=False) for size in sizes)

    def forward(self, x):
        seen = [x]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            seen.append(conv(F.relu(norm(torch.cat(seen, 1)))))
        return torch.cat(seen, 1)


def densenet():
    end = [nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 10, 1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(10 * 16, 5)]
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), Dense(8, 4, 3), *end), torch.randn(4, 3, 8, 8)


class Standardised(nn.Conv2d):
    """A convolution whose kernels are brought to mean 0 and variance 1 at every use."""

    def forward(self, x):
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        std = self.weight.std((1, 2, 3), keepdim=True)
        return F.conv2d(x, (self.weight - mean) / (std + 1e-5), self.bias, self.stride, self.padding)


def weight_standardised():
    layers = [Standardised(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), Standardised(8, 8, 3, 2), nn.Mish()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 9, 5)), torch.randn(4, 3, 9, 9)


def autoencoder():
    down = [nn.Conv2d(1, 8, 3, 2, 1), nn.PReLU(), nn.Flatten(), nn.Linear(8 * 16, 6), nn.Tanh()]
    up = [nn.Linear(6, 8 * 16), nn.ReLU(), nn.Unflatten(1, (8, 4, 4)), nn.Upsample(scale_factor=2)]
    return nn.Sequential(*down, *up, nn.Conv2d(8, 1, 3, padding=1), nn.Sigmoid()), torch.rand(8, 1, 8, 8)
