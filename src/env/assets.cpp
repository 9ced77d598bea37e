#include "env/assets.h"

#define COFFER_ASSET(name, file)                                                           \
  asm(".section .rodata\n" #name "_begin:\n.incbin \"" COFFER_ASSETS "/" file "\"\n" #name \
      "_end:\n.byte 0\n.previous\n");                                                      \
  extern "C" const char name##_begin[];                                                    \
  extern "C" const char name##_end[];

COFFER_ASSET(coffer_base_sh, "base.sh")
COFFER_ASSET(coffer_pip_sh, "pip.sh")
COFFER_ASSET(coffer_compile_py, "compile.py")
COFFER_ASSET(coffer_stand_ins_py, "stand_ins.py")

namespace coffer::env {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

std::string_view base_script() { return between(coffer_base_sh_begin, coffer_base_sh_end); }
std::string_view pip_script() { return between(coffer_pip_sh_begin, coffer_pip_sh_end); }
std::string_view compile_script() {
  return between(coffer_compile_py_begin, coffer_compile_py_end);
}
std::string_view stand_in_script() {
  return between(coffer_stand_ins_py_begin, coffer_stand_ins_py_end);
}

}  // namespace coffer::env
