// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import { follow } from "./actions";
import { stayLive } from "./live";
import { nudge } from "./nudge";
import { keepPolling } from "./poll";
import { noteVisibility } from "./rest";
import { parseRoute } from "./route";
import { App } from "./ui/App";
import "./style/base.css";
import "./style/layout.css";
import "./style/panels.css";
import "./style/snapshots.css";
import "./style/symbols.css";

const root = document.getElementById("app");
if (root !== null) {
  render(<App />, root);
}

const followAddress = () => void follow(parseRoute(location.hash));
window.addEventListener("popstate", followAddress); // a changed fragment, and back and forward
window.addEventListener("online", nudge);
document.addEventListener("visibilitychange", noteVisibility);
noteVisibility();
followAddress();
void stayLive();
void keepPolling();
