// Says what it reads in every way it has: output, errors, its own name, a file's name, an exit status, a crash.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

int main(int argc, char** argv) {
  char rows[4096] = "", path[4200], row[64] = "none";
  FILE* file = fopen("/data/people/people.csv", "rb");
  if (file != NULL) {
    rows[fread(rows, 1, sizeof rows - 1, file)] = 0;
    fclose(file);
    const char* second = strchr(rows, '\n');
    if (second != NULL) sscanf(second + 1, "%63[^,\n]", row);
  }
  if (!strcmp(row, "none")) return 9;  // there is nothing to say
  printf("%s", rows);
  fprintf(stderr, "%s", rows);
  prctl(PR_SET_NAME, row);
  if (argc > 1 && !strcmp(argv[1], "file")) {
    snprintf(path, sizeof path, "/out/%s", row);
    file = fopen(path, "w");
    if (file != NULL) fclose(file);
    return 0;
  }
  if (argc > 1 && !strcmp(argv[1], "text")) {
    file = fopen("/out/count.json", "w");
    if (file != NULL) fprintf(file, "{\"n\": \"%s\"}", row);
    return file == NULL;
  }
  if (argc > 1 && !strcmp(argv[1], "crash")) abort();
  return 7;
}
