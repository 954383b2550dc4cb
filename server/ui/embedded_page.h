// server/ui/page.html, embedded by the build.
#ifndef ACCLIMATE_SERVER_UI_EMBEDDED_PAGE_H_
#define ACCLIMATE_SERVER_UI_EMBEDDED_PAGE_H_

namespace acclimate::ui {

extern const char kEmbeddedPage[];

}  // namespace acclimate::ui

#endif  // ACCLIMATE_SERVER_UI_EMBEDDED_PAGE_H_
