// Walks what is to be added, in ascending byte order of path, without following links.
//
// Each given path keeps its basename: a file becomes one entry, a directory its tree. Only regular
// files and directories: a symlink, socket, device or pipe is refused by name, as is a name that
// base/file_path.h does not allow, and two given paths of one basename.
// Memory: the names in the directories between root and the present file.
// Errors: InvalidArgument (as above, with the path), NotFound (a given path), Unavailable.
// Thread-safety: as a plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_path.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace coffer::vault {

struct WalkedFile {
  std::string path;  // as programs will see it
  std::uint64_t size{0};
  FileMode mode{FileMode::Plain};
  UniqueFd fd;
};

class TreeWalk {
 public:
  static Result<TreeWalk> open(const std::vector<std::string>& paths);
  Result<std::optional<WalkedFile>> next();

 private:
  struct Item {
    std::string name;    // in the dataset
    std::string source;  // relative to the frame's directory, or as given
    bool directory{false};
  };
  struct Frame {
    UniqueFd fd;  // none in the first frame: sources are as given
    std::string prefix;
    std::vector<Item> items;  // descending: the next one is last
  };
  static void sort(std::vector<Item>& items);
  Result<> enter(UniqueFd fd, std::string prefix);

  std::vector<Frame> frames_;
};

}  // namespace coffer::vault
