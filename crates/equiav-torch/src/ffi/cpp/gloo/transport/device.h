// In place of Gloo's header, which libtorch does not ship: names alone, no layout.
#pragma once

namespace gloo::transport {

class Context;
class Device;
class UnboundBuffer;

}  // namespace gloo::transport
