// `acclimate`: finds the command, reads its arguments, runs it, and tells how it went.
#ifndef ACCLIMATE_CLIENT_CLI_PROGRAM_H_
#define ACCLIMATE_CLIENT_CLI_PROGRAM_H_

#include <string>
#include <vector>

#include "client/cli/interrupt.h"

namespace acclimate::cli {

// `words`: the command line without the program's name. Returns an ExitCode.
int RunProgram(const std::vector<std::string>& words, Interrupt& interrupt);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_PROGRAM_H_
