// The commands of acclimated that work on a data directory without serving it.
#ifndef ACCLIMATE_SERVER_API_MAINTENANCE_COMMAND_H_
#define ACCLIMATE_SERVER_API_MAINTENANCE_COMMAND_H_

#include <string>
#include <vector>

namespace acclimate::api {

// Whether `arguments`, which follow "acclimated", begin with gc, fsck, backup or restore.
bool IsMaintenanceCommand(const std::vector<std::string>& arguments);

// Tells what was done on stdout, a problem a line. The exit code: 0 done and all is well, 1 there
// are problems or it could not be done, 2 wrong usage.
int RunMaintenanceCommand(const std::vector<std::string>& arguments);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_MAINTENANCE_COMMAND_H_
