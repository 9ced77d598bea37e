// The file tree that the layers of an image add up to, in memory and without file contents.
//
// Invariants: a name never leads out of the tree: "..", absolute names and whiteouts of such are
// refused, and a link on the way to a name is followed inside the tree only, at most kLinksMax
// times; whiteouts take away what lower layers brought, never what their own layer did.
// Errors: InvalidArgument (an entry that may not be, or a limit that was passed).
// Thread-safety: none.
// Source: OCI image specification 1.1, "Image Layer Filesystem Changeset".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/layer_tar.h"

namespace coffer::env {

inline constexpr int kLinksMax = 40;
inline constexpr std::size_t kDepthMax = 128;

class ImageTree {
 public:
  explicit ImageTree(std::uint64_t entries_max) : entries_max_(entries_max) {}

  // Applies the next entry of layer `layer`; layers come in order, lowest first.
  Result<> apply(std::size_t layer, const LayerEntry& entry);

  // Where a file's content is: of which layer, at which position of its stream.
  struct Content {
    std::size_t layer;
    std::uint64_t at;
    auto operator<=>(const Content&) const = default;
  };
  struct Placed {
    std::uint32_t mode;
    std::uint64_t size;
    std::vector<std::string> names;  // first the file, then its hard links
  };
  // The tree as it is after the last layer.
  std::vector<Entry> directories() const;  // parents first
  std::vector<Entry> links() const;
  std::map<Content, Placed> files() const;

 private:
  struct Node {
    EntryKind kind{EntryKind::Directory};
    std::size_t layer{0};
    std::uint32_t mode{0755};
    std::uint64_t size{0};
    Content content{};
    std::string target{};
    std::map<std::string, std::unique_ptr<Node>> children{};
  };
  struct Walk;
  Result<Node*> directory(std::size_t layer, const std::vector<std::string>& names);
  Result<Node*> put(Node& parent, const std::string& name, Node node);
  Result<> white_out(std::size_t layer, Node& parent, std::string_view name);
  Result<Node> hard_link(std::size_t layer, const std::string& target);
  Result<> count_one();
  template <class Visit>
  static void visit(const Node& node, const std::string& path, const Visit& each);
  static bool prune(Node& node, std::size_t layer);
  Node root_{};
  std::uint64_t entries_{0};
  std::uint64_t entries_max_;
};

}  // namespace coffer::env
