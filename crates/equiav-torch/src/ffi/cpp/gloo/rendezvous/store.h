// In place of Gloo's header, which libtorch does not ship: what c10d's header overrides.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace gloo::rendezvous {

// Only named here: nothing in this folder makes a store of Gloo's.
class Store {
 public:
  virtual ~Store();
  virtual void set(const std::string& key, const std::vector<char>& data) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(
      const std::vector<std::string>& keys,
      const std::chrono::milliseconds& timeout) = 0;
};

}  // namespace gloo::rendezvous
