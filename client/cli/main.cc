#include "client/cli/program.h"

int main(int argc, char** argv) {
  // Outlives every other thread: it waits for signals until the process ends.
  auto* interrupt = new acclimate::cli::Interrupt();
  return acclimate::cli::RunProgram({argv + 1, argv + argc}, *interrupt);
}
