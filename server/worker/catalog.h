// The registry of core as the API shows it.
#ifndef ACCLIMATE_SERVER_WORKER_CATALOG_H_
#define ACCLIMATE_SERVER_WORKER_CATALOG_H_

#include "acclimate/v1/catalog_service.pb.h"

namespace acclimate::worker {

v1::ListMethodsResponse MakeCatalog();

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_CATALOG_H_
