#include "env/image_tree.h"

#include <algorithm>
#include <deque>

namespace coffer::env {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

Error refused(std::string_view what, std::string_view path) {
  return {Code::InvalidArgument, "layer: " + std::string(what) + ": " + printable(path)};
}

bool is_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255;
}

// The components of an entry's name. Errors: InvalidArgument (it leads outside).
Result<std::vector<std::string>> names_of(const std::string& path) {
  if (path.starts_with('/')) return refused("an absolute name", path);
  std::vector<std::string> names;
  for (auto& name : split(path, '/')) {
    if (name.empty() || name == ".") continue;
    if (!is_component(name)) return refused("a name that leads outside", path);
    names.push_back(std::move(name));
  }
  if (names.size() > kDepthMax) return refused("a name too deep", path);
  return names;
}

}  // namespace

Result<> ImageTree::count_one() {
  if (entries_ >= entries_max_) {
    return Error{Code::InvalidArgument,
                 "image: more than " + std::to_string(entries_max_) + " entries"};
  }
  ++entries_;
  return {};
}

// Walks down from the root, makes what is missing, and follows links as a process would for whom
// the tree is "/": ".." at the root stays there.
Result<ImageTree::Node*> ImageTree::directory(std::size_t layer,
                                              const std::vector<std::string>& names) {
  std::deque<std::string> ahead(names.begin(), names.end());
  std::vector<Node*> path{&root_};
  int links = 0;
  while (!ahead.empty()) {
    const std::string name = std::move(ahead.front());
    ahead.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (path.size() > 1) path.pop_back();
      continue;
    }
    if (!is_component(name) || path.size() > kDepthMax) return refused("a name too deep", name);
    auto& child = path.back()->children[name];
    if (!child) {
      COFFER_CHECK(count_one());
      child = std::make_unique<Node>(Node{.layer = layer});
    }
    if (child->kind == EntryKind::Directory) {
      path.push_back(child.get());
    } else if (child->kind == EntryKind::Link) {
      if (++links > kLinksMax) return refused("links in a circle", name);
      if (child->target.starts_with('/')) path.resize(1);
      const auto parts = split(child->target, '/');
      ahead.insert(ahead.begin(), parts.begin(), parts.end());
    } else {
      return refused("a file where a directory is needed", name);
    }
  }
  return path.back();
}

Result<ImageTree::Node*> ImageTree::put(Node& parent, const std::string& name, Node node) {
  auto& child = parent.children[name];
  if (child && child->kind == EntryKind::Directory && node.kind == EntryKind::Directory) {
    child->mode = node.mode;
    child->layer = node.layer;
    return child.get();
  }
  if (!child) COFFER_CHECK(count_one());
  child = std::make_unique<Node>(std::move(node));
  return child.get();
}

// Takes away what layers below `layer` brought; true when nothing is left of the node.
bool ImageTree::prune(Node& node, std::size_t layer) {
  std::erase_if(node.children, [&](const auto& child) { return prune(*child.second, layer); });
  return node.layer < layer && node.children.empty();
}

Result<> ImageTree::white_out(std::size_t layer, Node& parent, std::string_view name) {
  if (name == kOpaque) {
    std::erase_if(parent.children, [&](const auto& child) { return prune(*child.second, layer); });
    return {};
  }
  const std::string gone(name.substr(kWhiteout.size()));
  if (!is_component(gone)) return refused("a whiteout of no name", name);
  const auto found = parent.children.find(gone);
  if (found != parent.children.end() && prune(*found->second, layer)) parent.children.erase(found);
  return {};
}

Result<ImageTree::Node> ImageTree::hard_link(std::size_t layer, const std::string& target) {
  COFFER_TRY(auto names, names_of(target));
  if (names.empty()) return refused("a hard link to no file", target);
  const std::string last = std::move(names.back());
  names.pop_back();
  COFFER_TRY(const Node* parent, directory(layer, names));
  const auto found = parent->children.find(last);
  if (found == parent->children.end() || found->second->kind == EntryKind::Directory) {
    return refused("a hard link to no file", target);
  }
  const Node& file = *found->second;
  return Node{.kind = file.kind,
              .layer = layer,
              .mode = file.mode,
              .size = file.size,
              .content = file.content,
              .target = file.target};
}

Result<> ImageTree::apply(std::size_t layer, const LayerEntry& entry) {
  COFFER_TRY(auto names, names_of(entry.path));
  if (names.empty() || !entry.kind) return {};  // the root itself; a device
  const std::string last = std::move(names.back());
  names.pop_back();
  COFFER_TRY(Node * parent, directory(layer, names));
  if (last.starts_with(kWhiteout)) return white_out(layer, *parent, last);
  Node node{.kind = *entry.kind, .layer = layer, .mode = entry.mode};
  if (entry.kind == EntryKind::File) {
    node.size = entry.size;
    node.content = {layer, entry.content_at};
  } else if (entry.kind == EntryKind::Link) {
    if (entry.target.empty()) return refused("a link to nothing", entry.path);
    node.target = entry.target;
  } else if (entry.kind == EntryKind::HardLink) {
    COFFER_TRY(node, hard_link(layer, entry.target));
    COFFER_TRY(parent, directory(layer, names));
  }
  COFFER_TRY(Node * placed, put(*parent, last, std::move(node)));
  (void)placed;
  return {};
}

template <class Visit>
void ImageTree::visit(const Node& node, const std::string& path, const Visit& each) {
  for (const auto& [name, child] : node.children) {
    const std::string place = path.empty() ? name : path + "/" + name;
    each(place, *child);
    visit(*child, place, each);
  }
}

std::vector<Entry> ImageTree::directories() const {
  std::vector<Entry> entries;
  visit(root_, "", [&](const std::string& path, const Node& node) {
    if (node.kind != EntryKind::Directory) return;
    entries.push_back({.kind = node.kind, .path = path, .mode = node.mode | 0700});
  });
  return entries;
}

std::vector<Entry> ImageTree::links() const {
  std::vector<Entry> entries;
  visit(root_, "", [&](const std::string& path, const Node& node) {
    if (node.kind != EntryKind::Link) return;
    entries.push_back({.kind = node.kind, .path = path, .mode = 0777, .target = node.target});
  });
  return entries;
}

std::map<ImageTree::Content, ImageTree::Placed> ImageTree::files() const {
  std::map<Content, Placed> files;
  visit(root_, "", [&](const std::string& path, const Node& node) {
    if (node.kind != EntryKind::File) return;
    auto& file = files[node.content];
    file.mode = node.mode;
    file.size = node.size;
    file.names.push_back(path);
  });
  return files;
}

}  // namespace coffer::env
