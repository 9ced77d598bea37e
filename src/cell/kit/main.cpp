// The one static program of every cell. As a cell's first process it is called `init`; each other
// mode also runs by itself: coffer_cellkit MODE ARGS.
#include <unistd.h>

#include <string_view>

#include "cell/kit/modes.h"
#ifdef COFFER_KIT_GATE
#include "gate/kit.h"
#endif

namespace coffer::cell::kit {

int run_mode(int argc, char** argv) {
  const std::string_view mode = argc > 0 ? argv[0] : "";
  if (mode == "unpack") return unpack_main(argc, argv);
#ifdef COFFER_KIT_PROGRAM
  if (mode == "compare") return compare_main(argc, argv);
#endif
#ifdef COFFER_KIT_GATE
  if (mode == "judge") return gate::judge_main(argc, argv);
  if (mode == "evidence") return gate::evidence_main(argc, argv);
#endif
  constexpr std::string_view kUsage = "modes: init unpack compare judge evidence\n";
  [[maybe_unused]] const auto told = ::write(2, kUsage.data(), kUsage.size());
  return 2;
}

}  // namespace coffer::cell::kit

int main(int argc, char** argv) {
  if (argc == 1 && std::string_view{argv[0]} == "init") return coffer::cell::kit::init_main();
  return coffer::cell::kit::run_mode(argc - 1, argv + 1);
}
