#ifndef ACCLIMATE_SERVER_BASE_VERSION_H_
#define ACCLIMATE_SERVER_BASE_VERSION_H_

namespace acclimate {

inline constexpr char kVersion[] = "0.1.0";  // as in the top CMakeLists.txt

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_VERSION_H_
