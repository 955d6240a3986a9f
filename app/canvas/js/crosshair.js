// The canvas without a mouse: K shows a crosshair, arrows move it, Space presses and lets go where it is.

const STEP = 12, FAR = 60; // CSS pixels an arrow moves it by, with Shift
const ARROWS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };

// Where the crosshair goes from p (photo pixels): by whole CSS pixels of the view, `fine` by one photo pixel; it stays on
// the photo of width x height pixels, in the middle of a pixel.
export function steppedPoint(p, name, { far, fine }, cssScale, width, height) {
  const [x, y] = ARROWS[name], step = fine ? 1 : Math.max(1, Math.round((far ? FAR : STEP) / cssScale));
  const on = (v, most) => Math.min(most - 1, Math.max(0, Math.floor(v))) + 0.5;
  return { x: on(p.x + x * step, width), y: on(p.y + y * step, height) };
}

export class Crosshair {
  // say(text) tells those who cannot see where it is.
  constructor(editor, view, tools, say) {
    this.S = editor.S;
    this.editor = editor;
    this.view = view;
    this.tools = tools;
    this.say = say;
    this.pressed = false;
  }

  get on() { return !!this.S.crosshair; }

  toggle() {
    const { S, view } = this;
    if (!S.ready) return;
    if (this.on) { this.leave(); return; }
    const inside = S.pointer && this.tools.inside(S.pointer);
    const middle = { x: (view.width / 2 - view.tx) / view.scale, y: (view.height / 2 - view.ty) / view.scale };
    S.crosshair = this.tools.within(inside ? S.pointer : middle);
    this.move("arrowleft", { fine: true });
    this.move("arrowright", { fine: true });
  }

  leave() {
    this.release();
    this.S.crosshair = null;
    this.editor.marks();
  }

  // The pointer event that a mouse here would have made.
  event(take = false) {
    const [clientX, clientY] = this.view.toClient(this.S.crosshair.x, this.S.crosshair.y);
    return { clientX, clientY, button: take ? 2 : 0, shiftKey: false, altKey: false, pointerType: "keys", pointerId: -1 };
  }

  move(name, { far = false, fine = false }) {
    const { S, view } = this, { width, height } = S.value;
    S.crosshair = steppedPoint(S.crosshair, name, { far, fine }, view.scale / view.ratio, width, height);
    if (view.bring(S.crosshair)) this.tools.actions.viewed();
    this.tools.move(this.event());
    this.say(Math.floor(S.crosshair.x) + ", " + Math.floor(S.crosshair.y));
  }

  press(take) {
    if (this.pressed) return;
    this.pressed = true;
    this.tools.down(this.event(take));
  }

  release() {
    if (!this.pressed) return;
    this.pressed = false;
    this.tools.up(this.event());
  }
}
