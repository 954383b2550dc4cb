// core/report/page.html, embedded by the build.
#ifndef ACCLIMATE_CORE_REPORT_EMBEDDED_PAGE_H_
#define ACCLIMATE_CORE_REPORT_EMBEDDED_PAGE_H_

namespace acclimate::report {

extern const char kEmbeddedPage[];

}  // namespace acclimate::report

#endif  // ACCLIMATE_CORE_REPORT_EMBEDDED_PAGE_H_
