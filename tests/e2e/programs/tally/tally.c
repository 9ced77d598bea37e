// Counts the lines of all files below /data and writes {"n": lines mod 256} to /out/count.json; what cannot be read ends
// it with 1. Static: an environment needs nothing beside it.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned long lines_of(const char* path) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) exit(1);
  unsigned long lines = 0;
  for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

static unsigned long lines_below(const char* folder) {
  DIR* directory = opendir(folder);
  if (directory == NULL) exit(1);
  unsigned long lines = 0;
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    char path[4096];
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    struct stat status;
    if (stat(path, &status) != 0) exit(1);
    lines += S_ISDIR(status.st_mode) ? lines_below(path) : lines_of(path);
  }
  closedir(directory);
  return lines;
}

int main(void) {
  FILE* out = fopen("/out/count.json", "w");
  if (out == NULL) return 1;
  fprintf(out, "{\"n\": %lu}", lines_below("/data") % 256);
  return fclose(out) != 0;
}
