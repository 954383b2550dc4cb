// Names that nobody can guess or meet twice.
#ifndef ACCLIMATE_SERVER_BASE_RANDOM_ID_H_
#define ACCLIMATE_SERVER_BASE_RANDOM_ID_H_

#include <string>

namespace acclimate {

// 128 random bits from the kernel, as 32 hex digits.
std::string NewRandomId();

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_RANDOM_ID_H_
