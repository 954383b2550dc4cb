// The views of the status page as JSON, for its script. Times are seconds since 1970; what there is
// none of is null or left empty.
#ifndef ACCLIMATE_SERVER_UI_STATUS_JSON_H_
#define ACCLIMATE_SERVER_UI_STATUS_JSON_H_

#include <string>

#include "server/ui/curve.h"
#include "server/ui/status_view.h"

namespace acclimate::ui {

std::string ToJson(const StatusView& view);
std::string ToJson(const Curve& curve);

}  // namespace acclimate::ui

#endif  // ACCLIMATE_SERVER_UI_STATUS_JSON_H_
