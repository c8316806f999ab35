// In place of Gloo's header, which libtorch does not ship: c10d's header needs nothing of it.
#pragma once
