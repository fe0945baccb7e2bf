"""Small models built as common libraries build theirs, for the tests of recording."""

import torch
from torch import nn


class Block(nn.Module):
    """A residual block with parts inside, which puts out a tuple as Hugging Face's do."""

    def __init__(self, width, *, experts=0):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(experts)
        )

    def forward(self, x):
        h = x + self.mlp(self.norm(x))
        for n, expert in enumerate(self.experts):  # each has its share of the tokens
            part = h.flatten(0, -2)[n :: len(self.experts)]
            h = h + 0.1 * expert(part).mean()
        return (h, None)


class Stack(nn.Module):
    """A stack as T5 has: it embeds, runs its blocks, and has a norm of its own."""

    def __init__(self, width, depth):
        super().__init__()
        self.block = nn.ModuleList(Block(width) for _ in range(depth))
        self.final = nn.LayerNorm(width)

    def forward(self, x):
        x = x + 1
        for block in self.block:
            x = block(x)[0]
        return {"last_hidden_state": self.final(x)}


class EncoderDecoder(nn.Module):
    def __init__(self, width=4, depth=3):
        super().__init__()
        self.encoder, self.decoder = Stack(width, depth), Stack(width, depth)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        h = self.encoder(x)["last_hidden_state"]
        return self.head(self.decoder(h)["last_hidden_state"].mean(1))


class Experts(nn.Module):
    """Few blocks, with more experts in each."""

    def __init__(self, width=4):
        super().__init__()
        self.layers = nn.ModuleList(Block(width, experts=3) for _ in range(2))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)[0]
        return x


class Shared(nn.Module):
    """A net as ALBERT: one block in a group of one, which is called again and again."""

    def __init__(self, width=4, times=3):
        super().__init__()
        self.group = nn.ModuleList([Block(width)])
        self.times = times

    def forward(self, x):
        for _ in range(self.times):
            x = self.group[0](x)[0]
        return x


class BasicBlock(nn.Module):
    """A block as torchvision has, which acts in place throughout."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        h = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        h += x
        return self.relu(h)


class ResNet(nn.Module):
    """A net as torchvision has, whose stages are Sequentials."""

    def __init__(self, width=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3)
        for stage in (1, 2, 3):
            setattr(self, f"layer{stage}", nn.Sequential(BasicBlock(width), BasicBlock(width)))
        self.fc = nn.Linear(width, 5)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


class ConvLayer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.ReLU()

    def forward(self, x):
        return self.activation(self.convolution(x))


class BasicLayer(nn.Module):
    """A block as Hugging Face has, with a chain of its own inside, beside the shortcut."""

    def __init__(self, width):
        super().__init__()
        self.shortcut = nn.Identity()
        self.layer = nn.Sequential(ConvLayer(width), ConvLayer(width))
        self.activation = nn.ReLU()

    def forward(self, x):
        residual = x
        x = self.layer(x)
        x = x + self.shortcut(residual)
        return self.activation(x)


class Stage(nn.Module):
    """A stage as Hugging Face has, which only runs its layers, after a change of size."""

    def __init__(self, width):
        super().__init__()
        self.downsample = nn.AvgPool2d(2)
        self.layers = nn.Sequential(BasicLayer(width), BasicLayer(width))

    def forward(self, x):
        return self.layers(self.downsample(x))


class StagedResNet(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.stages = nn.ModuleList(Stage(width) for _ in range(3))

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return {"last_hidden_state": x, "pooler_output": x.mean((2, 3))}


class Plain(nn.Module):
    """Layers registered in another order than they run in; one reused, one unused."""

    def __init__(self, width=4):
        super().__init__()
        self.last = nn.Linear(width, 2)
        self.unused = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.activation = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.first = nn.Linear(3, width)

    def forward(self, x):
        x = self.drop(self.activation(self.first(x)))
        x = self.drop(self.activation(self.second(x)))
        return self.last(x)


def seeded(kind, *args, seed=0, **options):
    """Return a float64 model with weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(*args, **options).double()
