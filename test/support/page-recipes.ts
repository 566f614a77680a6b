import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { Child } from './child.ts';

/** What an application renders a page with. */
export interface RenderedPage {
  comments: string[];
  /** The address of the page's stream. */
  stream: string;
}

/** Runs the code of an application, which asks `url` for its position, and for its comments in place of a database. */
export type Recipe = (code: string, url: string) => Promise<RenderedPage>;

const ROOM = '918';

/** Whether the program is on the PATH. */
export function isAtHand(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

/** As much of Express as the example uses. */
export const runExpress: Recipe = (code, url) =>
  new Promise((resolve, reject) => {
    const commentsOf = async (): Promise<string[]> => (await fetch(`${url}/comments`)).json() as Promise<string[]>;
    const render = (_view: string, page: RenderedPage): void => resolve(page);
    const get = (_path: string, handle: (request: object, response: object) => Promise<void>): void => {
      handle({ params: { id: ROOM } }, { render }).catch(reject);
    };
    new Function('app', 'commentsOf', code)({ get }, commentsOf);
  });

/** As much of Django as the example uses. A query is sent when its rows are read. */
const DJANGO = {
  'django/__init__.py': '',
  'django/shortcuts.py': `
import json

def render(request, template, context):
    print(json.dumps(context))
`,
  'rooms/__init__.py': '',
  'rooms/models.py': `
import json, os
from urllib.request import urlopen

class Rows:
    def __iter__(self):
        return iter(json.load(urlopen(os.environ["URL"] + "/comments")))

class Objects:
    def filter(self, room_id):
        return Rows()

class Comment:
    objects = Objects()
`,
};

export const runDjango: Recipe = (code, url) =>
  printed('python3', ['-c', `from rooms.views import room\nroom(None, "${ROOM}")`], url, {
    ...DJANGO,
    'rooms/views.py': code,
  });

/** As much of Rails as the example uses. A query is sent when its rows are read. */
const RAILS = {
  'rails.rb': `
require "json"
require "net/http"

class Rows
  def to_a
    JSON.parse(Net::HTTP.get(URI(ENV["URL"] + "/comments")))
  end
end

class Comment
  def self.where(room_id:)
    Rows.new
  end
end

class ApplicationController
  def params
    { id: "${ROOM}" }
  end
end
`,
  'page.rb': `
require_relative "rails"
require_relative "controller"
controller = RoomsController.new
controller.show
puts JSON.generate(%w[comments stream].to_h { |name| [name, controller.instance_variable_get("@#{name}")] })
`,
};

export const runRails: Recipe = (code, url) => printed('ruby', ['page.rb'], url, { ...RAILS, 'controller.rb': code });

/** What a program prints as JSON that runs among these files. */
async function printed(
  program: string,
  args: string[],
  url: string,
  files: Record<string, string>,
): Promise<RenderedPage> {
  const folder = await mkdtemp(join(tmpdir(), 'sisyphus-recipe-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    const child = new Child(program, args, { cwd: folder, env: { ...process.env, URL: url } });
    const { code } = await child.exited;
    if (code !== 0) throw new Error(`${program} ended with ${code}\n${child.output()}`);
    return JSON.parse(child.stdout) as RenderedPage;
  } finally {
    await rm(folder, { recursive: true });
  }
}
