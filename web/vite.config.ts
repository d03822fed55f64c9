// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vite";

// The collector serves the page with a policy that knows neither inline script nor style nor
// data: addresses, so nothing may be inlined and no polyfill may be injected.
export default defineConfig({
  base: "./",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    target: "es2021",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: proxy() },
  preview: { proxy: proxy() },
});

// For `npm run dev`: the interface of a collector that runs elsewhere. Its guard wants an Origin
// that is its own.
function proxy() {
  const target = "http://127.0.0.1:7077";
  return { "/api": { target, changeOrigin: true, headers: { origin: target } } };
}
