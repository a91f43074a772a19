// The film on the GPU: its codes as an integer texture, its grays as a small table. A drag of the
// window sends the table alone.

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(4.0 * corner - 1.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D codes;
uniform sampler2D grays;
uniform vec2 full;
uniform float stepSize;
uniform float screenHeight;
uniform mat3 back;
out vec4 colour;

float gray(ivec2 place, ivec2 last) {
  int code = int(texelFetch(codes, clamp(place, ivec2(0), last), 0).r);
  return texelFetch(grays, ivec2(code & 255, code >> 8), 0).r;
}

void main() {
  vec2 film = (back * vec3(gl_FragCoord.x, screenHeight - gl_FragCoord.y, 1.0)).xy;
  if (any(lessThan(film, vec2(0.0))) || any(greaterThanEqual(film, full))) {
    colour = vec4(0.0);
    return;
  }
  ivec2 last = textureSize(codes, 0) - 1;
  vec2 place = film / stepSize - 0.5;
  ivec2 low = ivec2(floor(place));
  vec2 weight = place - floor(place);
  float top = mix(gray(low, last), gray(low + ivec2(1, 0), last), weight.x);
  float under = mix(gray(low + ivec2(0, 1), last), gray(low + ivec2(1, 1), last), weight.x);
  colour = vec4(vec3(mix(top, under, weight.y)), 1.0);
}`;

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

export class GpuRenderer {
  // null where WebGL2 is missing, or is computed by the processor: the plain canvas is faster
  // then.
  static make({ evenWithoutGpu = false } = {}) {
    try {
      const made = new GpuRenderer({ failIfMajorPerformanceCaveat: !evenWithoutGpu });
      return evenWithoutGpu || !SOFTWARE.test(rendererOf(made.gl)) ? made : null;
    } catch {
      return null;
    }
  }

  constructor(options) {
    this.canvas = new OffscreenCanvas(1, 1);
    this.gl = this.canvas.getContext("webgl2", { antialias: false, depth: false, ...options });
    if (!this.gl) throw new Error("no WebGL2");
    this.usable = true;
    this.textures = new Map(); // film -> its levels' textures
    this.table = null;
    this.canvas.addEventListener("webglcontextlost", () => { this.usable = false; });
    this.program = link(this.gl);
    this.gl.useProgram(this.program);
    this.at = Object.fromEntries(["codes", "grays", "full", "stepSize", "screenHeight", "back"]
      .map((name) => [name, this.gl.getUniformLocation(this.program, name)]));
    this.grays = texture(this.gl);
    this.most = this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE);
  }

  // The canvas, or null where this film is beyond the GPU.
  paint({ film, table, back, width, height, level }) {
    const { gl, at } = this;
    if (!this.usable || Math.max(level.width, level.height) > this.most) return null;
    if (this.canvas.width < width) this.canvas.width = width;
    if (this.canvas.height < height) this.canvas.height = height;
    gl.viewport(0, this.canvas.height - height, width, height);
    gl.scissor(0, this.canvas.height - height, width, height);
    gl.activeTexture(gl.TEXTURE0);
    if (!this.bind(film, level)) return null;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.grays);
    if (this.table !== table) {
      this.table = table;
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, 256, 256, 0, gl.RED, gl.UNSIGNED_BYTE, table);
    }
    gl.uniform1i(at.codes, 0);
    gl.uniform1i(at.grays, 1);
    gl.uniform2f(at.full, film.width, film.height);
    gl.uniform1f(at.stepSize, level.step);
    // gl_FragCoord counts from the bottom of the canvas, our pixels from its top.
    gl.uniform1f(at.screenHeight, this.canvas.height);
    gl.uniformMatrix3fv(at.back, false,
      [back[0], back[1], 0, back[2], back[3], 0, back[4], back[5], 1]);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    return this.canvas;
  }

  // The texture of a film's level, sent when it is first needed.
  bind(film, level) {
    const { gl } = this;
    if (!this.textures.has(film)) this.textures.set(film, new Map());
    const levels = this.textures.get(film);
    if (levels.has(level.at)) {
      gl.bindTexture(gl.TEXTURE_2D, levels.get(level.at));
      return true;
    }
    levels.set(level.at, texture(gl));
    gl.bindTexture(gl.TEXTURE_2D, levels.get(level.at));
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const wide = level.codes.BYTES_PER_ELEMENT === 2;
    gl.texImage2D(gl.TEXTURE_2D, 0, wide ? gl.R16UI : gl.R8UI, level.width, level.height, 0,
      gl.RED_INTEGER, wide ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE, level.codes);
    // Too little memory on the GPU: from now on without it.
    if (gl.getError() !== gl.NO_ERROR) this.usable = false;
    return this.usable;
  }

  drop(film) {
    for (const each of this.textures.get(film)?.values() ?? []) this.gl.deleteTexture(each);
    this.textures.delete(film);
    this.gl.clear(this.gl.COLOR_BUFFER_BIT); // the last picture painted
  }
}

function rendererOf(gl) {
  const facts = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(facts ? facts.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

function texture(gl) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
    gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
  }
  return made;
}

function link(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error("the shader does not link");
  return program;
}
