// Where the answer is a portal that runs: which of its carriers such a connection would get now.

import { asked } from "./candidates.js";
import { data } from "./dom.js";

const given = data("explained");
const place = document.getElementById("explained-carriers");
if (given && place) asked({ instance: given.instance, tag: given.portal }, given.source).then((shown) => place.replaceChildren(...shown));
