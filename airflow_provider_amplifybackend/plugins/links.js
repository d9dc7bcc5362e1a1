"use strict";
(() => {
  // Airflow shows a plugin's page in a frame that may open no window and leave none. The page around it may.
  if (window.parent === window) return;
  const wantsTab = (event, link) =>
    link.target === "_blank" || event.ctrlKey || event.metaKey || event.shiftKey || event.button === 1;
  const open = (event) => {
    const link = event.target.closest("a[href]");
    if (!link || !["http:", "https:"].includes(link.protocol)) return;
    try {
      const outside = window.parent.document.createElement("a");
      outside.href = link.href;
      if (wantsTab(event, link)) Object.assign(outside, { target: "_blank", rel: "noopener noreferrer" });
      event.preventDefault();
      outside.click();
    } catch {
      // A frame of another origin: the browser does what it can.
    }
  };
  document.addEventListener("click", open);
  // The middle button; the right one has a menu.
  document.addEventListener("auxclick", (event) => {
    if (event.button === 1) open(event);
  });
})();
