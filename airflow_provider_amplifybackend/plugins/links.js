"use strict";
(() => {
  // Airflow shows a plugin's page in a frame that may open no window and leave none. The page around it may.
  if (window.parent === window) return;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || !["http:", "https:"].includes(link.protocol)) return;
    try {
      const outside = window.parent.document.createElement("a");
      outside.href = link.href;
      if (link.target === "_blank") Object.assign(outside, { target: "_blank", rel: "noopener noreferrer" });
      event.preventDefault();
      outside.click();
    } catch {
      // A frame of another origin: the browser does what it can.
    }
  });
})();
