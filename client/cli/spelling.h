// The nearest right spelling of a mistyped word.
#ifndef ACCLIMATE_CLIENT_CLI_SPELLING_H_
#define ACCLIMATE_CLIENT_CLI_SPELLING_H_

#include <string>
#include <vector>

namespace acclimate::cli {

// "; did you mean --target?", or nothing when no known word is near.
std::string DidYouMean(const std::string& given, const std::vector<std::string>& known);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_SPELLING_H_
